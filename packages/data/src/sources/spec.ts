/**
 * What a source is, as plain data: what a configuration file says, checked by a schema.
 */

import * as z from 'zod';

interface CommonSpec {
  /**
   * What kind of text it is, for measures by domain; sources of one domain are counted together. By default a name that
   * no other source has: that of the file or dataset, with as much of its path as it takes (`chooseNames`).
   */
  readonly domain?: string | undefined;
  /** Share of the training sequences relative to the other sources. Default: in proportion to the tokens. */
  readonly weight?: number | undefined;
  /** Reading stops with the document that reaches it. Default: all there is. */
  readonly maxTokens?: number | undefined;
}

/** The addresses that come with the package. */
export interface StateOfTheUnionSpec extends CommonSpec {
  readonly type: 'state-of-the-union';
  /**
   * Cuts each address into documents of so many characters, as those of a text file: what is held out is then of all
   * times and subjects, where whole addresses are few and each of its own. Default: an address is a document.
   */
  readonly documentCharacters?: number | undefined;
}

/**
 * Plain text, UTF-8. Files that end in `.jsonl`, `.ndjson`, `.json` (or these and `.gz`) or `.parquet` are read as
 * what they are: a record a document.
 */
export interface TextSpec extends CommonSpec {
  readonly type: 'text';
  /** Paths or globs. */
  readonly paths: readonly string[];
  /** What stands between two documents of a file, e.g. `<|endoftext|>`. A line end in it stands for `\r\n` too. */
  readonly separator?: string | undefined;
  /**
   * Without a separator: a document ends with the first paragraph (or line, in text without them) that takes it to this
   * many characters. Default 8192. A file not much longer than that stays whole.
   */
  readonly documentCharacters?: number | undefined;
}

/** A JSON object a line, plain or gzipped (`.gz`). */
export interface JsonLinesSpec extends CommonSpec {
  readonly type: 'jsonl';
  /** Paths or globs. */
  readonly paths: readonly string[];
  /** The field that has the text. Default `text`. */
  readonly field?: string | undefined;
}

/** Parquet files, read by row group. */
export interface ParquetSpec extends CommonSpec {
  readonly type: 'parquet';
  /** Paths or globs. */
  readonly paths: readonly string[];
  /** The column that has the text. Default `text`. */
  readonly column?: string | undefined;
}

/** A dataset of the Hugging Face hub, in parquet or JSON lines, streamed. */
export interface HubSpec extends CommonSpec {
  readonly type: 'hub';
  /** `owner/name`. */
  readonly dataset: string;
  /** One of the configurations that the dataset's card lists. Default: the one it marks so, or its only one. */
  readonly config?: string | undefined;
  /** Default `train`. */
  readonly split?: string | undefined;
  /** Branch, tag or commit. Default `main`. */
  readonly revision?: string | undefined;
  /** Globs of files in the dataset, instead of config and split. */
  readonly paths?: readonly string[] | undefined;
  /** The column, or field, that has the text. Default `text`. */
  readonly column?: string | undefined;
  /** Datasets of the hub are often larger than any disk, so how much to read must be said. */
  readonly maxTokens: number;
}

export type SourceSpec = StateOfTheUnionSpec | TextSpec | JsonLinesSpec | ParquetSpec | HubSpec;

const name = z.string().min(1);
const paths = z.array(name).min(1);
const positive = z.int().min(1);
const common = {
  domain: name.optional(),
  weight: z.number().positive().optional(),
  maxTokens: positive.optional(),
};

/** Checks a `SourceSpec`; `z.toJSONSchema` makes a JSON schema of it. */
export const sourceSpecSchema: z.ZodType<SourceSpec> = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('state-of-the-union'), documentCharacters: positive.optional(), ...common }),
  z.strictObject({
    type: z.literal('text'),
    paths,
    separator: name.optional(),
    documentCharacters: positive.optional(),
    ...common,
  }),
  z.strictObject({ type: z.literal('jsonl'), paths, field: name.optional(), ...common }),
  z.strictObject({ type: z.literal('parquet'), paths, column: name.optional(), ...common }),
  z.strictObject({
    type: z.literal('hub'),
    dataset: z.string().regex(/^[\w.-]+(\/[\w.-]+)?$/, 'expected owner/name, e.g. HuggingFaceFW/fineweb'),
    config: name.optional(),
    split: name.optional(),
    revision: name.optional(),
    paths: paths.optional(),
    column: name.optional(),
    ...common,
    maxTokens: positive,
  }),
]);
