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

/** Values that aliases may unfold a text to: many times those of any settings. Without them each takes a character. */
const UNFOLDED = 2 ** 17;
/** Groups and lists within each other; whoever reads them goes down by calling itself. */
const DEEPEST = 500;

/** @throws Error when it is no YAML, is larger or takes longer than it may, or aliases make it endless or vast */
export function parseYaml(text: string, { characters, milliseconds }: YamlLimits = MANY): unknown {
  if (text.length > characters) {
    throw new Error(`it has ${text.length} characters, more than such a file ever holds (${characters})`);
  }
  return withinTime(milliseconds, 'reading it', () => {
    const value = parsed(text);
    checkAliases(value, Math.max(UNFOLDED, text.length));
    return value;
  });
}

function parsed(text: string): unknown {
  try {
    return parse(text, { logLevel: 'error' });
  } catch (error) {
    if (/call stack/.test(String(error))) throw new Error(TOO_DEEP, { cause: error });
    // The parser's own error, or what some texts make it stumble over.
    throw new Error(`it is no YAML: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

const TOO_DEEP = 'it is nested too deeply';

/** The parser gives each alias the very value that it stands for, which may hold it, or be what many more hold. */
function checkAliases(whole: unknown, most: number): void {
  const above = new Set<object>();
  const path: string[] = [];
  const place = (): string => (path.length === 0 ? '' : `${excerptOf(path.join('.'))}: `);
  let count = 0;
  const visit = (value: unknown): void => {
    if (++count > most) {
      throw new Error(`${place()}with what its aliases stand for it has more than ${most} values; name fewer of them`);
    }
    if (typeof value !== 'object' || value === null) return;
    if (above.has(value)) throw new Error(`${place()}the alias stands for what holds it; write out what is meant`);
    if (above.size === DEEPEST) throw new Error(`${place()}${TOO_DEEP}`);
    above.add(value);
    for (const [name, inner] of Object.entries(value)) {
      path.push(name);
      visit(inner);
      path.pop();
    }
    above.delete(value);
  };
  visit(whole);
}

function excerptOf(path: string): string {
  return path.length > 80 ? `${path.slice(0, 77)}...` : path;
}
