/** Texts and files in which `@huggingface/tokenizers` and the Rust library part. */
import * as fc from 'fast-check';
import { Tokenizer as NativeTokenizer } from 'tokenizers';
import { describe, expect, it } from 'vitest';
import { HuggingFaceTokenizer } from '../src/tokenizers/hugging-face.ts';
import { parseTokenizer } from '../src/tokenizers/load.ts';

type Changes = Readonly<Record<string, unknown>>;

function fileOf(changes: Changes): string {
  const parts = { added_tokens: [], normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null };
  return JSON.stringify({ version: '1.0', truncation: null, padding: null, ...parts, ...changes });
}

async function expectIdsOfTheLibrary(changes: Changes, texts: readonly string[]): Promise<void> {
  const json = fileOf(changes);
  const [ours, native] = [parseTokenizer(json), NativeTokenizer.fromString(json)];
  for (const text of texts) {
    const encoding = await native.encode(text, undefined, { addSpecialTokens: false });
    expect([text, ...ours.encode(text)]).toEqual([text, ...encoding.getIds()]);
  }
}

const LETTERS = [...new Set("abcABCsSkK<>/. _'🙂éſ\u212A\uFEFF\u0085＜＞▁")];
const WORDS = ['ab', 'bc', '🙂🙂', "'s", "'ſ", ' a'];
const VOCAB = Object.fromEntries(['<unk>', ...LETTERS, ...WORDS].map((token, id) => [token, id]));
const MERGES = WORDS.map((word) => {
  const [left, right] = Array.from(word);
  return [left, right];
});
const bpe = (more: Changes = {}): Changes => ({
  type: 'BPE',
  unk_token: '<unk>',
  vocab: VOCAB,
  merges: MERGES,
  ...more,
});
const MODEL = bpe();
const NEXT = Object.keys(VOCAB).length;

const token = (content: string, id: number, more: Changes = {}): Changes => ({
  ...{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true },
  ...more,
});
const NORMALISED = { normalized: true, special: false };
const STRIPS = { lstrip: true, rstrip: true };
const split = (Regex: string, behavior = 'Isolated'): Changes => ({
  pre_tokenizer: { type: 'Split', pattern: { Regex }, behavior, invert: false },
});

describe('the ids of the library, of texts cut', () => {
  it.each([' ', 'ab', '.', ''])('without the text %j', async (delimiter) => {
    const pre_tokenizer = { type: 'Split', pattern: { String: delimiter }, behavior: 'Removed', invert: false };
    await expectIdsOfTheLibrary({ pre_tokenizer, model: MODEL }, ['a b', 'ab bc', 'a. .b']);
  });

  it.each(['( )+', '(?<gap> )+b?', '(a)|( )'])('without what %s takes, whose groups capture', async (pattern) => {
    await expectIdsOfTheLibrary({ ...split(pattern, 'Removed'), model: MODEL }, ['a  b', 'ab  bc a']);
  });

  it.each(['$', String.raw`\Z`, String.raw`\z`, '^', String.raw`\A`, String.raw`\B`, '(?<!a)', '(?!🙂)'])(
    'at %s, never in the middle of a character',
    async (pattern) =>
      await expectIdsOfTheLibrary({ ...split(pattern), model: MODEL }, ['a🙂b', '🙂🙂', 'b🙂🙂a', 'ab']),
  );

  it.each([
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)",
    "'(?i:[sdmt]|ll|ve|re)",
    '(?i:k)',
    String.raw`'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`,
    String.raw`[^\r\n\p{L}\p{N}]?\p{L}++|[.<]++[_]*+|\s++`,
  ])('at %s', async (pattern) => {
    const texts = ["a's", "a'S b", "a'ſ", "'ſa", 'aKb', 'akK', '  <<..__ab', 'éab.. .'];
    await expectIdsOfTheLibrary({ ...split(pattern), model: MODEL }, texts);
  });
});

describe('the ids of the library, of tokens that are added', () => {
  it.each([
    ['not of what becomes one', { normalizer: { type: 'Lowercase' }, added_tokens: [token('<s>', NEXT)] }],
    ['nor of what is compatible', { normalizer: { type: 'NFKC' }, added_tokens: [token('<s>', NEXT)] }],
    [
      'one that is normalised beside one that is not',
      { normalizer: { type: 'Lowercase' }, added_tokens: [token('<S>', NEXT, NORMALISED), token('<s>', NEXT + 1)] },
    ],
    [
      'normalised with more before it',
      { normalizer: { type: 'Prepend', prepend: '▁' }, added_tokens: [token('<s>', NEXT, NORMALISED)] },
    ],
    [
      'that take the space beside them',
      { added_tokens: [token('<s>', NEXT, STRIPS), token('</s>', NEXT + 1, STRIPS)] },
    ],
    ['beside tokens of space', { added_tokens: [token('<s>', NEXT, STRIPS), token('  ', NEXT + 1)] }],
    [
      'of which one begins another',
      { added_tokens: [token('<s', NEXT), token('<s>', NEXT + 1), token('s>b', NEXT + 2)] },
    ],
  ])('%s', async (_, changes) => {
    const texts = ['<S>', '<s>', 'a<S>b<s>', '＜s＞', '▁<s>', '<s>a', 'a <s>  b', ' a<s> </s> <s>  b', 'a   <s>   b'];
    await expectIdsOfTheLibrary({ ...changes, model: MODEL }, [
      ...texts,
      '<<s>b',
      'a\uFEFF<s>\u0085b',
      'a\u0085 <s>\uFEFF',
    ]);
  });

  it.each([null, { type: 'NFKC' }, { type: 'Sequence', normalizers: [{ type: 'NFC' }, { type: 'Lowercase' }] }])(
    'with a sign before the first word, normalised by %j',
    async (normalizer) => {
      const pre_tokenizer = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'first', split: false };
      const changes = { normalizer, pre_tokenizer, added_tokens: [token('<s>', NEXT, { lstrip: true })], model: MODEL };
      await expectIdsOfTheLibrary(changes, ['a<s>b', '<s>a', ' <s>a b', ' a', 'éﬁ<s>a']);
    },
  );

  it('that are none of its model', async () => {
    const normalizer = { type: 'Replace', pattern: { String: '_' }, content: 'y' };
    await expectIdsOfTheLibrary({ normalizer, added_tokens: [token('y', NEXT)], model: MODEL }, ['a_b', 'y_']);
  });

  it('never of one that is nothing when normalised, or what another is', () => {
    const normalizer = { type: 'Strip', strip_left: true, strip_right: true };
    const json = fileOf({ normalizer, added_tokens: [token('  ', NEXT, NORMALISED)], model: MODEL });
    expect(() => parseTokenizer(json)).toThrow('a content of added_tokens is "  ", of which normalizer leaves nothing');
    const alike = [token('<S>', NEXT, NORMALISED), token('<s>', NEXT + 1, NORMALISED)];
    const lower = fileOf({ normalizer: { type: 'Lowercase' }, added_tokens: alike, model: MODEL });
    expect(() => parseTokenizer(lower)).toThrow('added_tokens is "<s>", which is looked for as "<S>" is');
  });
});

describe('the ids of the library, of characters that are unknown', () => {
  const letters = { a: 0, b: 1, ab: 2, '▁': 3, '▁▁': 4 };
  const merges = [
    ['a', 'b'],
    ['▁', '▁'],
  ];
  const texts = ['axb', 'xab', 'x', '▁x▁a', 'a x b'];

  it.each([
    {},
    { pre_tokenizer: { type: 'WhitespaceSplit' } },
    { normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '▁' } },
  ])('with nothing for them and %j', async (changes) => {
    await expectIdsOfTheLibrary({ ...changes, model: { type: 'BPE', vocab: letters, merges } }, texts);
    await expectIdsOfTheLibrary({ ...changes, model: { type: 'BPE', unk_token: null, vocab: letters, merges } }, texts);
  });

  it('in words of bytes', async () => {
    const vocab = { '<unk>': 0, a: 1, b: 2, ab: 3, Ġ: 4, Ġa: 5 };
    const bytes = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
    const model = { type: 'BPE', vocab, merges: ['#version: 0.2', 'a b', 'Ġ a'] };
    for (const more of [{}, { unk_token: '<unk>' }, { unk_token: '<unk>', fuse_unk: true }]) {
      const changes = { pre_tokenizer: bytes, decoder: bytes, model: { ...model, ...more } };
      await expectIdsOfTheLibrary(changes, ['axb a', 'xx', 'é', 'axxb a']);
    }
  });

  it('where one piece of Unigram stands for them, which a text may have', async () => {
    const pieces = ['<unk>', '<', 'u', 'n', 'k', '>', 'a'].map((piece, i) => [piece, i === 0 ? 0 : -i]);
    const model = { type: 'Unigram', unk_id: 0, vocab: pieces };
    await expectIdsOfTheLibrary({ model }, ['<unk>', 'a<unk>', 'x<unk>xa']);
    const without = parseTokenizer(fileOf({ model: { ...model, unk_id: null } }));
    expect([...without.encode('a>')]).toEqual([6, 5]);
    expect(() => without.encode('ax')).toThrow('a text has "x", which is no token of tokenizer.json');
  });

  it('in words that may be cut in several ways of nearly the same score', async () => {
    const pieces = ['a', 'b', 'c', 'ac', 'cab', 'bcb', 'ba', 'aa', 'cc', 'aaa', 'cabc', 'bac', 'bb', 'aab', 'abb'];
    const piece = fc.constantFrom(...pieces);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 15, maxLength: 15 }),
        fc.array(fc.array(piece)),
        async (counts, texts) => {
          const vocab = [['<unk>', 0], ...pieces.map((each, i) => [each, Math.log(counts[i]! / 1000)])];
          const model = { type: 'Unigram', unk_id: 0, vocab };
          await expectIdsOfTheLibrary(
            { model },
            texts.map((parts) => parts.join('')),
          );
        },
      ),
      { numRuns: 300 },
    );
  });

  it('in words of any length', () => {
    const tokenizer = parseTokenizer(
      fileOf({
        model: {
          type: 'Unigram',
          unk_id: 0,
          vocab: [
            ['<unk>', 0],
            ['a', -1],
          ],
        },
      }),
    );
    expect(tokenizer.encode('a'.repeat(150_000))).toHaveLength(150_000);
  });
});

describe('read by our own code', () => {
  const bytes = Array.from({ length: 324 }, (_, i) => String.fromCharCode(i)).filter((sign) =>
    /[^\s\p{C}]/u.test(sign),
  );
  const part = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  const vocab = Object.fromEntries(bytes.map((sign, id) => [sign, id]));
  const file = { pre_tokenizer: part, decoder: part, model: { type: 'BPE', vocab, merges: [] } };

  it('are special tokens however many begin alike', async () => {
    const tokens = Array.from({ length: 3500 }, (_, k) => token(`${'a'.repeat(k + 1)}b`, 256 + k));
    const start = performance.now();
    const tokenizer = parseTokenizer(fileOf({ ...file, added_tokens: tokens }));
    expect(tokenizer.encode('a'.repeat(2000))).toHaveLength(2000);
    expect([...tokenizer.encode('caab')]).toEqual([vocab['c'], 257]);
    expect(performance.now() - start).toBeLessThan(5000);
  });

  it('are no tokens that are looked for in normalised text', async () => {
    const { QWEN2_PATTERN: Regex } = await import('../src/tokenizers/byte-level.ts');
    const pretokenizers = [split(Regex)['pre_tokenizer'], { ...part, use_regex: false }];
    const changes = { ...file, normalizer: { type: 'NFC' }, pre_tokenizer: { type: 'Sequence', pretokenizers } };
    const texts = ['<é>', '<e\u0301>', '<é>\u0338'];
    for (const content of ['<é>', '<e\u0301>']) {
      for (const normalized of [true, false])
        await expectIdsOfTheLibrary({ ...changes, added_tokens: [token(content, 256, { normalized })] }, texts);
    }
    // Of two tokens that overlap, the one that is not normalised counts first.
    const overlapping = [token('<a', 256, { normalized: true }), token('a>', 257)];
    await expectIdsOfTheLibrary({ ...file, added_tokens: overlapping }, ['<a>', 'x<a']);
  });
});

describe('refused by name is', () => {
  const unigram = (vocab: unknown, unk_id: unknown = 0): Changes => ({ model: { type: 'Unigram', unk_id, vocab } });
  const vocab = (id: unknown): Changes => ({ model: bpe({ vocab: { ...VOCAB, a: id } }) });
  const added = (more: Changes): Changes => ({ model: MODEL, added_tokens: [token('<s>', NEXT, more)] });
  const metaspace = (more: Changes): Changes => ({
    model: MODEL,
    pre_tokenizer: { type: 'Metaspace', replacement: '▁', ...more },
  });
  it.each<[string, Changes]>([
    ...[-1, 1.5, null, '7'].map((id): [string, Changes] => [
      `model.vocab.a is ${JSON.stringify(id)}, expected an id`,
      vocab(id),
    ]),
    ...[-1, 1.5, null, '7'].map((id): [string, Changes] => [
      `added_tokens[0].id is ${JSON.stringify(id)}, expected an id`,
      added({ id }),
    ]),
    ['added_tokens[0].id is nothing, expected an id', added({ id: undefined })],
    [`added_tokens[0].id is 99, expected ${NEXT}`, added({ id: 99 })],
    ['added_tokens[0].id is 99, expected 1', added({ id: 99, content: 'a' })],
    ['added_tokens[0].single_word is 1, expected true or false', added({ single_word: 1 })],
    ['added_tokens[0].lstrip is "true", expected true or false', added({ lstrip: 'true' })],
    ['added_tokens is null, expected a list', { model: MODEL, added_tokens: null }],
    ['version is "2.0", expected "1.0"', { model: MODEL, version: '2.0' }],
    ['model.type is "Zzz"', { model: bpe({ type: 'Zzz' }) }],
    ['model.unk_token is "[UNK]", expected a token of model.vocab', { model: bpe({ unk_token: '[UNK]' }) }],
    ['model.byte_fallback is "true", expected true or false', { model: bpe({ byte_fallback: 'true' }) }],
    ['model.byte_fallback is true, of which model.vocab has not all bytes', { model: bpe({ byte_fallback: true }) }],
    ['model.merges is null, expected a list of merges', { model: bpe({ merges: null }) }],
    ['model.merges[0] is null, expected a pair', { model: bpe({ merges: [null] }) }],
    ['model.merges[0] is "a b c", expected a pair', { model: bpe({ merges: ['a b c'] }) }],
    ['model.merges[0] is [1,2], expected a pair', { model: bpe({ merges: [[1, 2]] }) }],
    ['model.merges[0] is ["a","b","c"], expected a pair', { model: bpe({ merges: [['a', 'b', 'c']] }) }],
    [
      'model.merges[0] is ["a","c"], expected tokens of model.vocab, which has no "ac"',
      { model: bpe({ merges: ['a c'] }) },
    ],
    [
      'model.merges[0] is ["<unk>","a"]',
      { model: bpe({ vocab: { ...VOCAB, '<unk>a': NEXT }, merges: [['<unk>', 'a']] }) },
    ],
    ['model.fuse_unk is true', { model: bpe({ unk_token: 'k', fuse_unk: true }) }],
    ['model.ignore_merges is true', { model: bpe({ unk_token: null, ignore_merges: true }) }],
    ['model.end_of_word_suffix is "</w>"', { model: bpe({ unk_token: null, end_of_word_suffix: '</w>' }) }],
    ['model.unk_id is 7, expected an id below 1', unigram([['<unk>', 0]], 7)],
    ['model.unk_id is -1, expected an id', unigram([['<unk>', 0]], -1)],
    ['model.vocab[0] is ["<unk>","0"], expected a token and its score', unigram([['<unk>', '0']])],
    ['pre_tokenizer.split is "false", expected true or false', metaspace({ split: 'false' })],
    ['pre_tokenizer.prepend_scheme is "Always", expected "always"', metaspace({ prepend_scheme: 'Always' })],
    [
      'pre_tokenizer.prepend_scheme is "first"',
      {
        ...metaspace({ prepend_scheme: 'first' }),
        normalizer: { type: 'Strip', strip_left: true, strip_right: false },
      },
    ],
    [
      'post_processor.single is null, expected a list',
      { model: MODEL, post_processor: { type: 'TemplateProcessing', single: null } },
    ],
    ...['[ab]++b', 'a?+a', String.raw`\Ga`, '(?i:é)', '(?i:ss)', String.raw`\p{Script=Latin}`, '{2}', 'a|{2}'].map(
      (pattern): [string, Changes] => ['pre_tokenizer.pattern is {"Regex":', { model: MODEL, ...split(pattern) }],
    ),
    ['pre_tokenizer.pattern is {"Regex":', { model: MODEL, ...split(String.raw`(a)\1`, 'Removed') }],
  ])('%s', (message, changes) => {
    expect(() => new HuggingFaceTokenizer(fileOf(changes))).toThrow(message);
    expect(() => parseTokenizer(fileOf(changes))).toThrow(message);
  });
});

describe('the text of the library', () => {
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
  const vocab = Object.fromEntries(['<unk>', ...bytes, '▁a', 'b'].map((piece, id) => [piece, id]));
  it.each([
    { type: 'Replace', pattern: { String: '▁' }, content: '$&' },
    { type: 'ByteFallback' },
    {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: '$1' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
      ],
    },
  ])('with %j', async (decoder) => {
    const json = fileOf({
      decoder,
      model: { type: 'BPE', unk_token: '<unk>', byte_fallback: true, vocab, merges: [] },
    });
    const [ours, native] = [parseTokenizer(json), NativeTokenizer.fromString(json)];
    for (const text of ['\uFEFFa', 'é', '🙂']) {
      const ids = [257, ...Array.from(new TextEncoder().encode(text), (byte) => byte + 1), 258];
      expect(ours.decode(ids)).toBe(await native.decode(ids, false));
      expect(ours.decode(ids.slice(1, 3))).toBe(await native.decode(ids.slice(1, 3), false));
    }
  });
});
