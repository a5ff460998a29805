/**
 * A process that runs the trainer again and again: it gets arguments, a working directory and variables as a message,
 * and answers with the exit code and what was printed. The program starts anew each time; the modules it imports are
 * loaded once.
 */
import { pathToFileURL } from 'node:url';

const [node, , main] = process.argv;
const variables = { ...process.env };

process.on('message', async ({ args, cwd, environment }) => {
  const printed = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) {
    process[name].removeAllListeners('error');
    process[name].write = (text, ...rest) => {
      printed[name] += text;
      rest.at(-1)?.();
      return true;
    };
  }
  process.chdir(cwd);
  process.argv = [node, main, ...args];
  process.env = { ...variables, ...environment };
  process.exitCode = 0;
  // Under another name it is another module.
  await import(`${pathToFileURL(main).href}?at=${performance.now()}`);
  process.send({ code: process.exitCode, ...printed });
});
