/** Every part of a `tokenizer.json` gives the ids of the Rust library, or is refused by name. */
import * as fc from 'fast-check';
import { Tokenizer as NativeTokenizer } from 'tokenizers';
import { describe, expect, it } from 'vitest';
import { HuggingFaceTokenizer } from '../src/tokenizers/hugging-face.ts';

/** Where Unicode, JavaScript and Rust part. */
const CHARACTERS = Array.from(
  'aAéÛıİßΣσςΑ1²٣ⅷ½_-.,!?$+<=>^`|~«»。，¡·\'"()漢字𠀀🙂▁ \n\r\t\u000B\u000C\u00A0\u0085\u2028\u3000\uFEFF\u200B\u200C\u200D\u00AD\u0301\u0308\u0903\u20DD\u0000\u0001\uFFFDfﬁ각',
);
const TEXT = fc
  .array(fc.oneof(fc.constantFrom(...CHARACTERS), fc.constantFrom('the', ' of', 'catÛ', "'s", '<s>', ' '.repeat(3))), {
    maxLength: 14,
  })
  .map((parts) => parts.join(''));

/** Each pair of characters is a token: where a text is cut into words shows in the ids. */
function pairs(alphabet: readonly string[], merges: readonly (readonly [string, string])[]): object {
  const tokens = ['<unk>', ...alphabet, ...merges.map((merge) => merge.join(''))];
  return {
    type: 'BPE',
    unk_token: '<unk>',
    vocab: Object.fromEntries([...new Set(tokens)].map((token, id) => [token, id])),
    merges,
  };
}

const ALPHABET = [...new Set([...CHARACTERS, ...Array.from('thecofsuabIi̇αςσÀ')])];
const ALL_PAIRS = ALPHABET.flatMap((left) => ALPHABET.map((right): [string, string] => [left, right]));
const MODEL = pairs(ALPHABET, ALL_PAIRS);
/** Ids of tokens that are added go on behind the others. */
const TOKENS = Object.keys((MODEL as { readonly vocab: object }).vocab).length;
const BYTES = Array.from({ length: 324 }, (_, i) => String.fromCharCode(i)).filter((character) =>
  /[^\s\p{C}]/u.test(character),
);
const BYTE_MODEL = pairs(
  BYTES,
  BYTES.flatMap((left) => BYTES.map((right): [string, string] => [left, right])).slice(0, 20_000),
);

function fileOf(changes: object): string {
  const file = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: null,
  };
  return JSON.stringify({ ...file, post_processor: null, decoder: null, model: MODEL, ...changes });
}

async function expectIdsOfTheLibrary(json: string, numRuns = 400): Promise<void> {
  const [ours, native] = [new HuggingFaceTokenizer(json), NativeTokenizer.fromString(json)];
  await fc.assert(
    fc.asyncProperty(TEXT, async (text) => {
      expect([...ours.encode(text)]).toEqual(
        (await native.encode(text, undefined, { addSpecialTokens: false })).getIds(),
      );
    }),
    { numRuns },
  );
}

const added = (more: object): object => ({
  added_tokens: [
    {
      id: TOKENS,
      content: '<s>',
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
      ...more,
    },
  ],
});
const split = (pattern: object, behavior: string, invert = false): object => ({
  type: 'Split',
  pattern,
  behavior,
  invert,
});
const bert = (more: object): object => ({
  normalizer: {
    type: 'BertNormalizer',
    clean_text: true,
    handle_chinese_chars: true,
    strip_accents: null,
    lowercase: true,
    ...more,
  },
});

describe('the ids of the library', () => {
  it.each([
    ...['NFC', 'NFD', 'NFKC', 'NFKD', 'Lowercase', 'StripAccents'].map((type) => ({ normalizer: { type } })),
    { normalizer: { type: 'Strip', strip_left: true, strip_right: true } },
    { normalizer: { type: 'Strip', strip_left: false, strip_right: true } },
    { normalizer: { type: 'Prepend', prepend: '▁' } },
    { normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '$&' } },
    { normalizer: { type: 'Replace', pattern: { Regex: '\\s+' }, content: '▁' } },
    {
      normalizer: { type: 'Sequence', normalizers: [{ type: 'NFD' }, { type: 'StripAccents' }, { type: 'Lowercase' }] },
    },
    ...[bert({}), bert({ lowercase: false }), bert({ strip_accents: false }), bert({ clean_text: false })],
    ...[bert({ handle_chinese_chars: false, strip_accents: true, lowercase: false })],
  ])('with %j', async (changes) => await expectIdsOfTheLibrary(fileOf(changes)));

  it.each([
    ...['Whitespace', 'WhitespaceSplit', 'BertPreTokenizer'].map((type) => ({ type })),
    { type: 'Digits', individual_digits: true },
    { type: 'Digits', individual_digits: false },
    { type: 'Punctuation' },
    ...['Isolated', 'Removed', 'Contiguous'].map((behavior) => ({ type: 'Punctuation', behavior })),
    { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
    { type: 'Metaspace', replacement: '▁', prepend_scheme: 'never', split: true },
    { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: false },
    { type: 'Metaspace', replacement: '▁', prepend_scheme: 'first', split: false },
    { type: 'Metaspace', replacement: '▁', prepend_scheme: 'first', split: true },
    split({ Regex: '\\s+' }, 'Removed'),
    split({ Regex: '\\w+' }, 'Isolated'),
    split({ Regex: '\\w+|[^\\w\\s]+' }, 'Removed', true),
    split({ String: ' ' }, 'Isolated'),
    split({ String: ' ' }, 'MergedWithPrevious'),
    split({ String: '.' }, 'MergedWithNext'),
    {
      type: 'Sequence',
      pretokenizers: [
        { type: 'WhitespaceSplit' },
        { type: 'Punctuation' },
        { type: 'Digits', individual_digits: true },
      ],
    },
  ])('cut by %j', async (pre_tokenizer) => await expectIdsOfTheLibrary(fileOf({ pre_tokenizer, ...added({}) })));

  it.each([
    { add_prefix_space: false, use_regex: true },
    { add_prefix_space: true, use_regex: true },
    { add_prefix_space: true, use_regex: false },
    { add_prefix_space: false, use_regex: false },
  ])(
    'of bytes with %j',
    async (more) =>
      await expectIdsOfTheLibrary(
        fileOf({ pre_tokenizer: { type: 'ByteLevel', trim_offsets: true, ...more }, model: BYTE_MODEL }),
      ),
  );

  it.each([
    ['special', added({})],
    ['with lstrip', added({ lstrip: true })],
    ['with rstrip', added({ rstrip: true })],
    ['normalised', { ...added({ normalized: true, special: false }), normalizer: { type: 'Lowercase' } }],
  ])('of a token that is added: %s', async (_, changes) => await expectIdsOfTheLibrary(fileOf(changes)));
});

describe('the ids of the library, with other models', () => {
  it('of WordPiece, words of ideographs beyond the first plane too', async () => {
    const words = [...ALPHABET, ...ALPHABET.map((character) => `##${character}`), 'th', '##he', 'cat', '##of'];
    const vocab = Object.fromEntries(['[UNK]', ...new Set(words)].map((token, id) => [token, id]));
    const model = {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 6,
      vocab,
    };
    for (const changes of [bert({}), bert({ lowercase: false })]) {
      await expectIdsOfTheLibrary(fileOf({ ...changes, pre_tokenizer: { type: 'BertPreTokenizer' }, model }));
    }
    expect([
      ...new HuggingFaceTokenizer(fileOf({ ...bert({}), pre_tokenizer: { type: 'BertPreTokenizer' }, model })).encode(
        'a𠀀',
      ),
    ]).toEqual([vocab['a'], vocab['𠀀']]);
  });

  it('of pieces as Llama 2 has them, and as fast as words', async () => {
    const letters = [...ALPHABET.filter((character) => character !== ' '), '▁'];
    const merges = letters
      .flatMap((left) => letters.map((right): [string, string] => [left, right]))
      .filter(([left, right]) => right !== '▁' || left === '▁');
    const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
    const tokens = ['<unk>', ...bytes, ...letters.slice(0, -9), '▁', ...merges.map((merge) => merge.join(''))];
    const vocab = Object.fromEntries([...new Set(tokens)].map((token, id) => [token, id]));
    const model = {
      type: 'BPE',
      unk_token: '<unk>',
      byte_fallback: true,
      fuse_unk: true,
      vocab,
      merges: merges.filter((merge) => merge.every((part) => part in vocab)),
    };
    const normalizer = {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: '▁' },
        { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      ],
    };
    const json = fileOf({ normalizer, model, ...added({ id: Object.keys(vocab).length }) });
    await expectIdsOfTheLibrary(json);
    // Within the time that is allowed for a text of so many characters; whole, it would take minutes.
    expect(new HuggingFaceTokenizer(json).encode('the of cat '.repeat(20_000)).length).toBeGreaterThan(60_000);
  });
});

describe('the ids of the library, of characters that are unknown', () => {
  const vocab = { '<unk>': 0, a: 1, t: 2, h: 3, th: 4 };
  const models = [
    { type: 'BPE', unk_token: '<unk>', fuse_unk: true, vocab, merges: [['t', 'h']] },
    { type: 'BPE', unk_token: '<unk>', fuse_unk: false, vocab, merges: [['t', 'h']] },
    { type: 'Unigram', unk_id: 0, vocab: Object.keys(vocab).map((token, id) => [token, -1 - id]) },
  ];
  it.each([
    { normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '▁' } },
    { pre_tokenizer: { type: 'WhitespaceSplit' } },
    { pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'never', split: true } },
    { pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: false } },
  ])('with %j', async (changes) => {
    for (const model of models) await expectIdsOfTheLibrary(fileOf({ ...changes, model, ...added({ id: 5 }) }), 200);
  });
});

describe('refused by name is', () => {
  const partsOfWords = split({ Regex: '\\s+' }, 'MergedWithPrevious');
  it.each([
    ['added_tokens[0].single_word is true', added({ single_word: true })],
    ['normalizer.type is "Precompiled"', { normalizer: { type: 'Precompiled', precompiled_charsmap: 'AAAA' } }],
    [
      'normalizer.normalizers[1].type is "Nmt"',
      { normalizer: { type: 'Sequence', normalizers: [{ type: 'NFC' }, { type: 'Nmt' }] } },
    ],
    ['pre_tokenizer.behavior is "MergedWithPrevious"', { pre_tokenizer: partsOfWords }],
    [
      'pre_tokenizer.pretokenizers[0].behavior is',
      { pre_tokenizer: { type: 'Sequence', pretokenizers: [partsOfWords] } },
    ],
    ['pre_tokenizer.behavior is "Isolated"', { pre_tokenizer: split({ String: ' ' }, 'Isolated', true) }],
    ['pre_tokenizer.type is "UnicodeScripts"', { pre_tokenizer: { type: 'UnicodeScripts' } }],
    [
      'pre_tokenizer.prepend_scheme is "first"',
      {
        pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'first' },
        ...added({ normalized: true }),
      },
    ],
    ['padding is {"strategy":"BatchLongest"', { padding: { strategy: 'BatchLongest', direction: 'Right' } }],
    ['pre_tokenizer.pattern is {"Regex":"(?>a+)b"}', { pre_tokenizer: split({ Regex: '(?>a+)b' }, 'Isolated') }],
    [
      'normalizer.pattern is {"Regex":"\\\\\\\\(?>a+)"}',
      { normalizer: { type: 'Replace', pattern: { Regex: String.raw`\\(?>a+)` }, content: '' } },
    ],
    ['model.dropout is 0.1', { model: { ...MODEL, dropout: 0.1 } }],
    ['model.type is "WordLevel"', { model: { type: 'WordLevel', vocab: { a: 0 }, unk_token: 'a' } }],
  ])('%s', (message, changes) => expect(() => new HuggingFaceTokenizer(fileOf(changes))).toThrow(message));

  it('no pattern that only looks like one of those, nor a length to cut texts to', () => {
    const file = { pre_tokenizer: split({ Regex: String.raw`\(?>` }, 'Isolated'), truncation: { max_length: 1 } };
    expect(new HuggingFaceTokenizer(fileOf(file)).encode('a(>')).toHaveLength(2);
  });
});
