/** The command line as a value, for those who embed it. */
export { createProgram } from './cli/program.ts';
