/** What must be known of text before it is drawn: how wide it is, and that it is one line of plain characters. */

/** Advance widths of Inter from U+0020 to U+007E, in hundredths of an em. */
const ADVANCES = [
  28, 29, 47, 63, 64, 98, 64, 30, 36, 36, 50, 66, 29, 46, 29, 36, 63, 41, 61, 62, 65, 59, 62, 57, 62, 62, 29, 30, 66,
  66, 66, 51, 97, 69, 65, 73, 72, 60, 59, 75, 74, 27, 57, 67, 57, 90, 75, 76, 64, 76, 64, 64, 65, 74, 69, 99, 68, 68,
  63, 36, 36, 36, 47, 46, 32, 56, 61, 57, 61, 58, 37, 61, 59, 24, 24, 55, 24, 88, 59, 60, 61, 61, 38, 53, 33, 59, 56,
  82, 55, 56, 55, 43, 33, 43, 66,
];

/**
 * Width in CSS pixels of one line of the figures' font; for other scripts than Latin rather too much than too little.
 */
export function textWidth(text: string, fontSize: number): number {
  let hundredths = 0;
  for (const character of text) {
    const code = character.codePointAt(0)!;
    hundredths += ADVANCES[code - 32] ?? (code < 0x1100 ? 78 : 105);
  }
  return (hundredths * fontSize) / 100;
}

/** The text where it is at most `width` pixels wide, else as much of it as is, with an ellipsis. */
export function truncate(text: string, width: number, fontSize: number): string {
  if (textWidth(text, fontSize) <= width) return text;
  const characters = Array.from(text);
  while (characters.length > 0 && textWidth(`${characters.join('')}…`, fontSize) > width) characters.pop();
  return `${characters.join('').trimEnd()}…`;
}

/** As `truncate`, with the ellipsis in the middle: names that begin alike differ at their ends. */
export function shortened(text: string, width: number, fontSize: number): string {
  const line = oneLine(text);
  if (textWidth(line, fontSize) <= width) return line;
  const head = Array.from(line);
  const tail = head.splice(Math.ceil(head.length / 2));
  while (head.length + tail.length > 0 && textWidth(`${head.join('')}…${tail.join('')}`, fontSize) > width) {
    if (head.length >= tail.length) head.pop();
    else tail.shift();
  }
  return `${head.join('').trimEnd()}…${tail.join('').trimStart()}`;
}

/** On one line: control characters and those that turn the direction of writing become spaces. */
export function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\u200e\u200f\u2028-\u202e\u2066-\u2069]+/gu, ' ').trim();
}

/**
 * A text in lines of whole words that are at most `width` pixels wide; a word that is wider is cut with an ellipsis.
 */
export function wrapped(text: string, width: number, fontSize: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of oneLine(text).split(/ +/)) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (line === '' || textWidth(longer, fontSize) <= width) {
      line = longer;
      continue;
    }
    lines.push(line);
    line = word;
  }
  return [...lines, line].map((each) => truncate(each, width, fontSize));
}

/**
 * Names on one line and at most `width` pixels wide that still differ from each other: cut at the end, or in the middle
 * where names that begin alike would look the same.
 */
export function shortNames(names: readonly string[], width: number, fontSize: number): string[] {
  const cut = names.map((name) => truncate(oneLine(name), width, fontSize));
  const taken = new Set<string>();
  return names.map((name, i) => {
    const isAlone = cut.indexOf(cut[i]!) === cut.lastIndexOf(cut[i]!);
    let short = isAlone ? cut[i]! : shortened(name, width, fontSize);
    for (let number = 2; taken.has(short); number++) {
      const ending = ` (${number})`;
      short = `${truncate(oneLine(name), width - textWidth(ending, fontSize), fontSize)}${ending}`;
    }
    taken.add(short);
    return short;
  });
}

/** Text for the HTML of a tooltip. */
export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** A number in four digits, whatever the size; whole thousands as they are. */
export function fourDigits(value: number): string {
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en');
  return String(Number(value.toPrecision(4)));
}
