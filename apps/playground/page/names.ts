/** What the page calls things. */
import type { Side } from '../src/model.ts';
import type { Settings } from '../src/settings.ts';

const ARCHITECTURES: Readonly<Record<Settings['architecture'], string>> = {
  'qwen3-moe': 'Qwen3-MoE',
  mixtral: 'Mixtral',
  'deepseek-v3': 'DeepSeek-V3',
};

export function architectureName(architecture: Settings['architecture']): string {
  return ARCHITECTURES[architecture];
}

export function sideName(side: Side, { architecture }: Settings): string {
  return side === 'lpr' ? 'LPR' : `${architectureName(architecture)}’s own router`;
}

/** For the ends of lines. */
export function shortName(side: Side): string {
  return side === 'lpr' ? 'LPR' : 'own router';
}
