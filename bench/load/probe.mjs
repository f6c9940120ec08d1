import { Agent, get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const EVERY_MS = 10;

/**
 * Asks `GET /livez` all the time until it is ended, and tells the longest answer in milliseconds: no answer comes while the
 * event loop is held up, so that is the most it was, and a little more. A connection that is refused or cut counts in `failed`.
 */
export function startProbe(/** @type {number} */ port) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const end = new AbortController();
  let worst = 0;
  let failed = 0;
  const ask = () =>
    new Promise((resolve) => {
      const began = performance.now();
      const request = get({ host: '127.0.0.1', port, path: '/livez', agent }, (response) => {
        response.resume().on('end', () => resolve(performance.now() - began));
      });
      request.on('error', () => {
        failed += 1;
        resolve(performance.now() - began);
      });
    });
  const running = (async () => {
    while (!end.signal.aborted) {
      worst = Math.max(worst, /** @type {number} */ (await ask()));
      await sleep(EVERY_MS);
    }
  })();
  return async () => {
    end.abort();
    await running;
    agent.destroy();
    return { worst, failed };
  };
}
