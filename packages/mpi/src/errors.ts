/** What keeps processes from computing together: shown as one message that says how to mend it. */
export class MpiError extends Error {
  override readonly name = 'MpiError';
}
