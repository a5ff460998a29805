import type { Settings } from '../settings/schema.ts';

/** Named settings; what they leave out, options decide. */
export interface Preset {
  readonly description: string;
  readonly settings: Pick<Settings, 'size' | 'data' | 'training' | 'evaluation'> &
    Partial<Pick<Settings, 'architecture' | 'router' | 'model'>> & {
      readonly lpr?: Partial<NonNullable<Settings['lpr']>>;
    };
}
