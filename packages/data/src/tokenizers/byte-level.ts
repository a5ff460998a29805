/**
 * What byte-level BPE takes from GPT-2 (Radford et al. 2019): an alphabet that writes each byte as one visible
 * character, and the pattern that cuts text into words before anything is merged; and the pattern that Qwen2 has
 * instead.
 */

/**
 * GPT-2's pattern: English contractions, then runs of letters, of digits and of other characters, each with the one
 * space before it, then white space. Tokens never cross the words it finds.
 *
 * `\s` is spelled out as Unicode's White_Space, which is what the HF tokenizers library matches; JavaScript's own `\s`
 * also has U+FEFF and lacks U+0085. Letters and numbers are those of the Unicode version the host knows, so a host and
 * that library may cut differently around characters that only the newer of the two has.
 */
const WORD =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/**
 * Qwen2's pattern, as its `tokenizer.json` writes it: contractions of any case, letters with one other character before
 * them, single digits, other characters with the line ends after them, and white space.
 */
export const QWEN2_PATTERN: string = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

/** The same without what JavaScript has not or takes otherwise: case folding for a part (ſ folds to s), and `\s`. */
const QWEN2_WORD = new RegExp(
  QWEN2_PATTERN.replace(/^\(.*?\)/, "'(?:[sSſ]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL]{2}|[dD])")
    .replaceAll(String.raw`[^\s`, String.raw`[^\p{White_Space}`)
    .replaceAll(String.raw`\s`, String.raw`\p{White_Space}`)
    .replaceAll(String.raw`\S`, String.raw`\P{White_Space}`),
  'gu',
);

/** How a text is cut into words: by GPT-2's pattern, or normalised to NFC and by Qwen2's. */
export type WordRule = 'gpt2' | 'qwen2';

/** Cuts a text into words; joined again they are the text, or its NFC. */
export function splitWords(text: string, rule: WordRule = 'gpt2'): string[] {
  return (rule === 'gpt2' ? text.match(WORD) : text.normalize('NFC').match(QWEN2_WORD)) ?? [];
}

/**
 * The character that stands for each byte: printable Latin-1 characters for themselves, the other bytes in order for
 * the code points from U+0100.
 */
export const BYTE_CHARACTERS: readonly string[] = byteCharacters();

function byteCharacters(): string[] {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    return String.fromCharCode(printable ? byte : next++);
  });
}

const BYTE_OF_CHARACTER: ReadonlyMap<string, number> = new Map(
  BYTE_CHARACTERS.map((character, byte) => [character, byte]),
);

/** Bytes as characters of the alphabet. */
export function writeBytes(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => BYTE_CHARACTERS[byte]).join('');
}

/**
 * Characters of the alphabet as bytes.
 *
 * @returns null when a character is not of the alphabet
 */
export function readBytes(characters: string): Uint8Array | null {
  const bytes = new Uint8Array(characters.length);
  for (let index = 0; index < characters.length; index++) {
    const byte = BYTE_OF_CHARACTER.get(characters[index]!);
    if (byte === undefined) {
      return null;
    }
    bytes[index] = byte;
  }
  return bytes;
}
