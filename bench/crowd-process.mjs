import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('crowd.mjs', import.meta.url));

/**
 * @typedef {object} Gathered
 * @property {number} count
 * @property {number} ms until all of them were there
 * @property {number} tries
 */

/**
 * Devices in a process of their own (bench/crowd.mjs), all connected and subscribed.
 * @param {{ port: number, count: number, name: string, password: string }} options
 */
export async function startCrowd(options) {
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const child = spawn(process.execPath, [program, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  child.stdin.on('error', () => undefined);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  /** @returns {Promise<Gathered>} */
  const gathered = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error('the crowd has ended');
    return JSON.parse(value);
  };
  return {
    first: await gathered(),
    /** `count` of them lose their connection and come back at once. */
    storm(/** @type {number} */ count) {
      child.stdin.write(`${count}\n`);
      return gathered();
    },
    async end() {
      child.stdin.end();
      await ended;
    },
    kill() {
      child.kill('SIGKILL');
    },
  };
}
