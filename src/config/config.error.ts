/** One wrong setting. Names the variable, never its value: it may be a secret. */
export interface ConfigProblem {
  readonly variable: string;
  readonly detail: string;
}

/** Every wrong setting at once; the program ends with exit code 78 (EX_CONFIG of sysexits.h). */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  constructor(readonly problems: readonly ConfigProblem[]) {
    super(problems.map(({ variable, detail }) => `${variable} ${detail}`).join('\n'));
  }
}
