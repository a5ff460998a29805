/** The command that writes a note and tags of a run. */
import type { Command } from 'commander';
import { addExamples, repeatable } from './options.ts';
import type { NoteOptions } from '../commands/note.ts';

export function addNote(program: Command): void {
  const command = program
    .command('note')
    .summary('write a note and tags of a run, or print them')
    .description(
      'Writes what is given into note.json of the run, and prints what it has then; with nothing given it prints alone. The dashboard shows\n' +
        'notes and tags, finds runs by them, and writes the same file. A run may be trained meanwhile: nothing that it computes depends on them.',
    )
    .argument('<run>', 'folder of a run')
    .argument('[text]', 'in place of its note; "" takes it away, - reads standard input')
    .addOption(repeatable('--tag <name>', 'to add; repeatable, or several with commas between'))
    .addOption(repeatable('--untag <name>', 'to take away; repeatable'))
    .option('--json', 'print one JSON object')
    .action(async (run: string, text: string | undefined, options: NoteOptions) => {
      const { noteOf } = await import('../commands/note.ts');
      await noteOf(run, text, options);
    });
  addExamples(command, [
    ['note runs/train-1', 'what it has'],
    ['note runs/train-1 "diverged at step 300" --tag odd', 'a note, and one tag more'],
    ['note runs/compare-1/lpr --tag baseline,paper --untag odd', ''],
    ['note runs/train-1 - < notes.md', 'the note of a file'],
  ]);
}
