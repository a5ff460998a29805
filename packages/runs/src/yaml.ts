/** YAML that may be anyone's: some texts take a time that grows with the square of their length, or worse. */
import { withinTime } from '@lpr/guard';
import { parse } from 'yaml';

/** What a text may take. */
export interface YamlLimits {
  readonly characters: number;
  readonly milliseconds: number;
}

/** Of settings that a person hands over: those of many runs. */
const MANY: YamlLimits = { characters: 2 ** 24, milliseconds: 60_000 };

/** @throws Error when it is no YAML, or is larger or takes longer than it may */
export function parseYaml(text: string, { characters, milliseconds }: YamlLimits = MANY): unknown {
  if (text.length > characters) {
    throw new Error(`it has ${text.length} characters, more than such a file ever holds (${characters})`);
  }
  return withinTime(milliseconds, 'reading it', () => {
    try {
      return parse(text, { logLevel: 'error' }) as unknown;
    } catch (error) {
      if (/call stack/.test(String(error))) throw new Error('it is nested too deeply', { cause: error });
      // The parser's own error, or what some texts make it stumble over.
      throw new Error(`it is no YAML: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  });
}
