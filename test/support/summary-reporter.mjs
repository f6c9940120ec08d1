// Jest's last reporter: names loudly what the tests had to do without, and ends the run with one line for machines.
import { missingServices, packages } from './find-services.mjs';

/** Jest wants a default export. Prints `N passed, N failed, N skipped` last; with CI=true a missing service fails the run. */
export default class SummaryReporter {
  #error;
  #lastWords = '';

  constructor() {
    // Jest's own summary comes after every other reporter, and its complaint about open handles later still.
    process.once('exit', () => process.stdout.write(this.#lastWords));
  }

  onRunComplete(_contexts, results) {
    // A file that does not load has no failed test of its own.
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    const skipped = results.numPendingTests + results.numTodoTests;
    this.#lastWords = `${results.numPassedTests} passed, ${failed} failed, ${skipped} skipped\n`;
    const missing = missingServices();
    if (missing.length === 0) return;
    const wanted = missing.map((name) => packages[name]).join(' ');
    const text = `TESTS WERE SKIPPED: ${wanted} not installed here. On Debian or Ubuntu: sudo apt-get install ${wanted}`;
    const bar = '!'.repeat(text.length);
    this.#lastWords = `\n${bar}\n${text}\n${bar}\n${this.#lastWords}`;
    if (process.env.CI === 'true') this.#error = new Error(text);
  }

  getLastError() {
    return this.#error;
  }
}
