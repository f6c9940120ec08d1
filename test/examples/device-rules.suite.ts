import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { describeWith } from '../support/services.js';
import type { Example } from './support/example-device.js';
import { ID, Stage } from './support/stage.js';

/** What firmware people may rely on in an example that they copy from: the contract's rules for answering commands. */
export function describeDeviceRules(example: Example): void {
  describeWith(['mosquitto', ...example.needs], `how ${example.title} answers commands`, () => {
    let stage: Stage;

    beforeEach(async () => {
      stage = await Stage.open(example);
    });

    afterEach(() => stage.close());

    it('accepts a command, carries it out and says what came of it, with QoS 1 and not retained', async () => {
      await stage.start();
      await stage.send('c1', 'TURN_ON_FAN');
      await stage.done('c1');
      expect(stage.on('commands/c1')).toEqual([{ status: 'accepted' }, { status: 'succeeded', result: { fan: true } }]);
      expect(await stage.fan()).toBe(true);
      await stage.send('c2', 'PING');
      await stage.done('c2');
      expect(stage.on('commands/c2')).toEqual([{ status: 'accepted' }, { status: 'succeeded', result: {} }]);
      const sent = stage.wire.of('publish', ID).filter(({ topic }) => topic.includes('/up/commands/'));
      expect(sent).toHaveLength(4);
      for (const packet of sent) expect(packet).toMatchObject({ qos: 1, retain: false });
    });

    it('reports the progress of a long one, and what is asked meanwhile waits', async () => {
      await stage.start();
      await stage.send('long', 'CALIBRATE', { steps: 4, stepMs: 50 });
      await stage.send('next', 'PING');
      await stage.done('next');
      expect(stage.answers('long')).toEqual([
        'accepted',
        'progress 25',
        'progress 50',
        'progress 75',
        'progress 100',
        'succeeded',
      ]);
      expect(stage.on('commands/long').at(-1)).toEqual({ status: 'succeeded', result: { offset: expect.any(Number) } });
      const order = stage.answered;
      expect(order.indexOf('commands/next')).toBeGreaterThan(order.lastIndexOf('commands/long'));
    });

    it('answers a repeat with the stored answer and does nothing twice', async () => {
      await stage.start();
      await stage.send('on', 'TURN_ON_FAN');
      await stage.send('off', 'TURN_OFF_FAN');
      await stage.done('off');
      await stage.send('on', 'TURN_ON_FAN');
      await eventually('the stored answer', () => stage.answers('on').length === 3);
      expect(stage.on('commands/on')[2]).toEqual({ status: 'succeeded', result: { fan: true } });
      expect(await stage.fan()).toBe(false);
      expect(stage.answers('on')).toHaveLength(3);
    });

    it('answers a repeat of what runs with how far it is, and does not begin again', async () => {
      await stage.start();
      await stage.startCalibration('c1');
      await stage.send('c1', 'CALIBRATE', { steps: 100, stepMs: 500 });
      // Its progress only rises: what comes twice is the answer to the repeat.
      await eventually('the repeat is answered', () => {
        const said = stage.answers('c1');
        return said.some((answer, i) => answer.startsWith('progress') && answer === said[i - 1]);
      });
      await stage.cancel('c1');
      expect((await stage.done('c1')).filter((answer) => answer === 'accepted')).toHaveLength(1);
    });

    it('carries out one of two copies that arrive in one piece', async () => {
      await stage.start();
      stage.device.kill('SIGSTOP');
      await stage.send('c1', 'CALIBRATE', { steps: 2, stepMs: 20 });
      await stage.send('c1', 'CALIBRATE', { steps: 2, stepMs: 20 });
      await stage.send('c2', 'PING');
      stage.device.kill('SIGCONT');
      await stage.done('c2');
      expect(stage.answers('c1').filter((answer) => answer === 'progress 50')).toHaveLength(1);
      expect(new Set(stage.answers('c1'))).toEqual(new Set(['accepted', 'progress 50', 'progress 100', 'succeeded']));
    });

    it('gives up what waits when it is cancelled, and never begins it', async () => {
      await stage.start();
      await stage.startCalibration('first');
      await stage.send('waits', 'TURN_ON_FAN');
      await stage.cancel('waits');
      expect(await stage.done('waits')).toEqual(['cancelled']);
      await stage.cancel('first');
      await stage.done('first');
      expect(await stage.fan()).toBe(false);
      await stage.send('waits', 'TURN_ON_FAN');
      await eventually('the stored answer', () => stage.answers('waits').length === 2);
      expect(stage.answers('waits')).toEqual(['cancelled', 'cancelled']);
    });

    it('gives up what runs when it is cancelled, and goes on with the next', async () => {
      await stage.start();
      await stage.startCalibration('c1');
      await stage.cancel('c1');
      const said = await stage.done('c1');
      expect(said.at(-1)).toBe('cancelled');
      expect(said).not.toContain('progress 100');
      await stage.send('c2', 'PING');
      expect(await stage.done('c2')).toEqual(['accepted', 'succeeded']);
    });

    it('answers a cancel after the end with the stored answer, and one for an unknown command not at all', async () => {
      await stage.start();
      await stage.send('c1', 'PING');
      await stage.done('c1');
      await stage.cancel('never-seen');
      await stage.cancel('c1');
      await eventually('the stored answer', () => stage.answers('c1').length === 3);
      expect(stage.answers('c1')).toEqual(['accepted', 'succeeded', 'succeeded']);
      expect(stage.answers('never-seen')).toEqual([]);
    });

    it('rejects as EXPIRED what it does not get round to within its ttl, counted from receipt', async () => {
      await stage.start();
      await stage.send('long', 'CALIBRATE', { steps: 2, stepMs: 300 });
      await stage.send('late', 'TURN_ON_FAN', {}, 200);
      await stage.send('in-time', 'PING', {}, 30_000);
      await stage.send('never', 'PING', {}, 0);
      expect(await stage.done('late')).toEqual(['rejected EXPIRED']);
      expect(await stage.done('in-time')).toEqual(['accepted', 'succeeded']);
      expect(await stage.done('never')).toEqual(['rejected EXPIRED']);
      expect(await stage.fan()).toBe(false);
    });

    it('rejects unknown types, bad params and what is no command, and lives on', async () => {
      await stage.start();
      const wrong: readonly (readonly [string, string | object, string])[] = [
        ['coffee', { type: 'MAKE_COFFEE', params: {}, ttlMs: 60_000 }, 'UNKNOWN_TYPE'],
        ['proto', { type: '__proto__', params: {}, ttlMs: 60_000 }, 'UNKNOWN_TYPE'],
        ['steps', { type: 'CALIBRATE', params: { steps: 'many' }, ttlMs: 60_000 }, 'BAD_PARAMS'],
        ['truth', { type: 'CALIBRATE', params: { steps: true }, ttlMs: 60_000 }, 'BAD_PARAMS'],
        ['empty', '', 'BAD_COMMAND'],
        ['text', 'TURN_ON_FAN', 'BAD_COMMAND'],
        ['null', 'null', 'BAD_COMMAND'],
        ['array', '[{"type":"PING"}]', 'BAD_COMMAND'],
        ['no-type', '{"params":{}}', 'BAD_COMMAND'],
        ['type', '{"type":["PING"]}', 'BAD_COMMAND'],
        ['params', '{"type":"PING","params":[1]}', 'BAD_COMMAND'],
        ['ttl', '{"type":"PING","params":{},"ttlMs":"soon"}', 'BAD_COMMAND'],
        ['deep', '['.repeat(20_000), 'BAD_COMMAND'],
      ];
      for (const [id, body] of wrong) await stage.publish(`commands/${id}`, body);
      for (const [id, , code] of wrong) expect([id, await stage.done(id)]).toEqual([id, [`rejected ${code}`]]);
      await stage.publish('errors', { code: 'TOO_OLD', detail: 'x', ref: null });
      await stage.publish('acks', '[');
      await stage.send('c1', 'PING', { anything: 'else' });
      expect(await stage.done('c1')).toEqual(['accepted', 'succeeded']);
    });

    it('remembers the last 32 answers: a 33rd command pushes the first out', async () => {
      await stage.start();
      for (let i = 0; i <= 32; i++) await stage.send(`r${i}`, 'MAKE_COFFEE');
      await stage.done('r32');
      await stage.send('r1', 'PING');
      await stage.send('r0', 'PING');
      await eventually('r0 is a new command', () => stage.answers('r0').length === 3);
      expect(stage.answers('r1')).toEqual(['rejected UNKNOWN_TYPE', 'rejected UNKNOWN_TYPE']);
      expect(stage.answers('r0')).toEqual(['rejected UNKNOWN_TYPE', 'accepted', 'succeeded']);
    });

    it('remembers what took long as one of the last, although 32 others came and went meanwhile', async () => {
      await stage.start();
      await stage.startCalibration('long');
      for (let i = 0; i < 32; i++) await stage.send(`r${i}`, 'MAKE_COFFEE');
      await stage.done('r31');
      await stage.cancel('long');
      const said = await stage.done('long');
      await stage.send('long', 'CALIBRATE');
      await eventually('the stored answer', () => stage.answers('long').length > said.length);
      expect(stage.answers('long').at(-1)).toBe('cancelled');
    });

    it('rejects as BUSY what would be the 33rd to wait, and carries out the others', async () => {
      await stage.start();
      await stage.startCalibration('first');
      for (let i = 0; i <= 32; i++) await stage.send(`w${i}`, 'PING');
      expect(await stage.done('w32')).toEqual(['rejected BUSY']);
      await stage.cancel('first');
      for (let i = 0; i < 32; i++) expect(await stage.done(`w${i}`)).toEqual(['accepted', 'succeeded']);
    });
  });
}
