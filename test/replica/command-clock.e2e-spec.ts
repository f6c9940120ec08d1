import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { order } from '../control/support/orders.js';
import { TappedFleet } from '../control/support/tapped-fleet.js';
import { type CommandBody, expectTruth, untilFinal } from '../control/support/truth.js';
import { get } from '../support/http.js';
import { describeWith } from '../support/services.js';
import { eventually } from '../support/eventually.js';

const AHEAD_MS = 30_000;

/** For a process whose clock is ahead, by its first module. */
const SHIFT = `
  const right = Date;
  globalThis.Date = class Date extends right {
    constructor(...given) {
      if (given.length === 0) super(Date.now());
      else super(...given);
    }
    static now() {
      return right.now() + ${AHEAD_MS};
    }
  };
`;

describeWith(['mosquitto', 'postgres'], 'two replicas, the clock of one of them 30 s ahead', () => {
  const [RIGHT, AHEAD] = [0, 1];
  let tapped: TappedFleet;
  beforeAll(async () => {
    const shifted = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(SHIFT)}` };
    tapped = await TappedFleet.start((place) => (place === AHEAD ? shifted : {}));
    await tapped.fleet.balanced(2);
  }, 60_000);
  afterAll(() => tapped?.stop(), 60_000);

  it('tell the truth of every command and send none more often than they may, whichever of them takes it', async () => {
    await Promise.all([tapped.device('prompt', 'succeeds'), tapped.device('silent', 'silent')]);
    // Shorter and longer than the clocks are apart.
    const asked = [
      ['prompt', 10_000],
      ['prompt', 40_000],
      ['silent', 10_000],
    ] as const;
    const given = [RIGHT, AHEAD].flatMap((place) =>
      asked.map(([id, ttlMs]) => order(tapped.urlOf(place), id, { ttlMs, maxAttempts: 3 })),
    );
    for (const { id, deviceId } of (await Promise.all(given)).map((one) => one!)) {
      const { deeds, habit } = tapped.devices.find((device) => device.id === deviceId)!;
      const end = await untilFinal(tapped.urlOf(RIGHT), id, 60_000);
      expectTruth(end, 3, tapped.witness.of(id), deeds.get(id));
      // The clock that is ahead may end it before it is sent; or the answer comes late by that clock, and is kept all the same.
      const outcome = end.attempts === 0 ? 'not_executed' : habit === 'succeeds' ? 'executed' : 'unknown';
      await eventually('what the device said is known', async () => {
        const { body } = await get<CommandBody>(`${tapped.urlOf(AHEAD)}/v1/commands/${id}`);
        return body.outcome === outcome;
      });
    }
  }, 120_000);

  it('end a command early by what the clocks are apart at most, and never say that a device did not get what it got', async () => {
    const { id } = (await order(tapped.urlOf(RIGHT), 'nobody', { ttlMs: AHEAD_MS - 1_000, maxAttempts: 1 }))!;
    const end = await untilFinal(tapped.urlOf(RIGHT), id);
    expectTruth(end, 1, tapped.witness.of(id), undefined);
    expect([end.status, end.outcome]).toEqual([
      'EXPIRED',
      tapped.witness.of(id).length > 0 ? 'unknown' : 'not_executed',
    ]);
  }, 60_000);
});
