/** A start that cannot succeed until somebody changes something. Printed without a stack: `message`, then `hint`. */
export class StartupError extends Error {
  override readonly name = 'StartupError';

  constructor(
    message: string,
    readonly hint: string,
    readonly exitCode = 1,
  ) {
    super(message);
  }
}
