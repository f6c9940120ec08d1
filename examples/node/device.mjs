#!/usr/bin/env node
/**
 * A device for Signalbox in Node: it publishes readings, says when it is online, and answers commands.
 *
 *     npm install
 *     node device.mjs --id greenhouse-1
 *     node device.mjs --id greenhouse-1 --sleepy 60
 *
 * It keeps the four rules that make a device a good citizen (marked "Rule" below):
 *
 * 1. Subscribe first, then say online. Commands that are waiting are sent the moment a device is online; one that subscribes
 *    later misses them.
 * 2. Remember the last 32 command ids with their answers. A command may come twice (its acknowledgement was lost): a repeat is
 *    answered with the stored answer and not carried out again.
 * 3. A command whose ttlMs has passed since it was received is answered with `rejected`, code EXPIRED.
 * 4. An unknown type is answered with `rejected`.
 *
 * An answer is as true as the device makes it: `rejected` and `cancelled` say that nothing was done, `succeeded` that all was,
 * and `failed` that it was tried.
 *
 * Readings carry their own time and an id, so that one that is sent twice is stored once.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { connect } from 'mqtt';
import { Commands, parseObject } from './commands.mjs';

/** Readings beyond this are not taken while nothing is acknowledged, so that memory stays bounded. */
const MOST_UNACKNOWLEDGED = 1000;
/** Milliseconds that a sleepy device stays awake for a service that says nothing. */
const LONGEST_SILENCE = 10_000;

class Device {
  #session = randomUUID(); // names this boot in the presence
  #count = 0;
  #fan = false;
  #client;
  #statusId = 0;
  #outbox = new Set(); // what the broker has not acknowledged yet, in order
  #stop = new AbortController();
  #received = 0; // commands on this connection, and how many down/acks speaks of
  #announced = null;

  #commands = new Commands({
    actions: {
      PING: () => ({}),
      TURN_ON_FAN: () => this.#turnFan(true),
      TURN_OFF_FAN: () => this.#turnFan(false),
      CALIBRATE: (params) => this.#calibrate(params),
    },
    refusal: (type, { steps = 5, stepMs = 1_000 }) =>
      type === 'CALIBRATE' && !(isWhole(steps, 1, 100) && isWhole(stepMs, 1, 60_000)) ? 'BAD_PARAMS' : null,
    send: (id, answer) => this.#publish(`commands/${id}`, answer),
    signal: this.#stop.signal,
  });

  constructor({ id, url, prefix, secret, intervalMs, sleepyMs }) {
    this.id = id;
    this.url = url;
    this.secret = secret;
    this.intervalMs = intervalMs;
    this.sleepyMs = sleepyMs;
    this.up = `${prefix}/${id}/up`;
    this.down = `${prefix}/${id}/down`;
  }

  // -- connection -----------------------------------------------------------------------------------------------------

  #connect() {
    this.#client = connect(this.url, {
      protocolVersion: 4,
      clientId: this.id,
      ...(this.secret ? { username: this.id, password: this.secret } : {}),
      keepalive: 30,
      // Spread, so that many devices that were cut off at once do not come back in step.
      reconnectPeriod: 1_000 + Math.random() * 2_000,
      reconnectOnConnackError: true,
      resubscribe: false,
      // The will: the broker publishes it when this device vanishes without a goodbye.
      will: { topic: `${this.up}/status`, payload: this.#status(false), qos: 1, retain: true },
    });
    this.#client.on('connect', () => this.#subscribe());
    this.#client.on('message', (topic, payload) => this.#onMessage(topic.slice(this.down.length + 1), payload));
    this.#client.on('error', (error) => console.error(`no connection: ${error.message || error.code}`));
    this.#client.on('close', () => this.#onClose());
    for (const message of this.#outbox) this.#transmit(message);
  }

  #subscribe() {
    // Rule 1: subscribe first ...
    const filters = ['commands/+', 'commands/+/cancel', 'errors', 'acks'].map((topic) => `${this.down}/${topic}`);
    this.#client.subscribe(filters, { qos: 1 }, (error, granted = []) => {
      if (error || granted.some(({ qos }) => qos > 2)) return console.error('a subscription was refused');
      // ... then say online.
      this.#client.publish(
        `${this.up}/status`,
        this.#status(true),
        { qos: 1, retain: true },
        () => (this.#statusId = 0),
      );
      this.#statusId = this.#client.getLastMessageId();
      if (this.sleepyMs !== undefined) this.#publish('commands/get', { max: 32 });
      console.log('online');
    });
  }

  #onClose() {
    this.#received = 0;
    this.#announced = null;
    // What is not acknowledged is sent again before anything else, but "online" must not come before the subscription.
    this.#client.removeOutgoingMessage(this.#statusId);
  }

  #status(online) {
    return JSON.stringify({ online, session: this.#session });
  }

  /** Sends it until it is acknowledged, over reconnects (by mqtt) and over sleep (by the outbox). */
  #publish(topic, body) {
    const message = { topic: `${this.up}/${topic}`, payload: JSON.stringify(body) };
    this.#outbox.add(message);
    this.#transmit(message);
  }

  #transmit(message) {
    this.#client.publish(message.topic, message.payload, { qos: 1 }, (error) => {
      if (!error) this.#outbox.delete(message);
    });
  }

  // -- readings -------------------------------------------------------------------------------------------------------

  #publishReading() {
    if (this.#outbox.size >= MOST_UNACKNOWLEDGED) return;
    this.#count += 1;
    const values = { temperature: around(21, 0.5, 2), humidity: around(45, 2, 1), fan: this.#fan };
    this.#publish('telemetry', { values, ts: Date.now(), id: `${this.#session}-${this.#count}` });
  }

  // -- commands -------------------------------------------------------------------------------------------------------

  #onMessage(topic, payload) {
    const [kind, id, cancel] = topic.split('/');
    if (kind === 'errors') return console.log(`the service says: ${payload}`);
    if (kind === 'acks') return this.#onAcks(payload);
    if (cancel) return this.#commands.cancel(id);
    this.#commands.receive(id, payload);
    this.#received += 1;
  }

  // -- what it can do -------------------------------------------------------------------------------------------------

  #turnFan(on) {
    this.#fan = on;
    return { fan: on };
  }

  /** A long one: it yields its progress after each step, and may be cancelled there, because only the end changes anything. */
  async *#calibrate({ steps = 5, stepMs = 1_000 }) {
    let sum = 0;
    for (let step = 1; step <= steps; step++) {
      await this.#pause(stepMs);
      sum += around(0, 0.1, 3);
      yield Math.round((100 * step) / steps);
    }
    return { offset: Number((sum / steps).toFixed(3)) };
  }

  // -- life -----------------------------------------------------------------------------------------------------------

  stop() {
    this.#stop.abort();
  }

  async run() {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      this.#connect();
      if (this.sleepyMs === undefined) {
        while (!signal.aborted) {
          await this.#pause(this.intervalMs);
          this.#publishReading();
        }
      } else {
        await this.#catchUp();
        this.#publishReading();
      }
      if (signal.aborted) await this.#commands.finish();
      await this.#sayGoodbye();
      await this.#pause(this.sleepyMs ?? 0);
    }
  }

  /** A clean goodbye cancels the will, so the device says offline itself. */
  async #sayGoodbye() {
    if (this.#client.connected) {
      let said = false;
      const options = { qos: 1, retain: true };
      this.#client.publish(`${this.up}/status`, this.#status(false), options, () => (said = true));
      await until(() => said && this.#outbox.size === 0, 5_000);
    }
    // Where something is not acknowledged by now, there is no use in waiting for it.
    await this.#client.endAsync(this.#outbox.size > 0 || !this.#client.connected);
  }

  /** Resolves after so many milliseconds, or when the device is stopped. */
  async #pause(ms) {
    await delay(ms, undefined, { signal: this.#stop.signal }).catch(() => undefined);
  }

  // -- a device that sleeps -------------------------------------------------------------------------------------------

  /** The service says how many commands it has sent us. They have another QoS and may come in after this. */
  #onAcks(payload) {
    const announced = parseObject(payload)?.commands;
    if (isWhole(announced, 0, 100_000)) this.#announced = announced; // else it is about a reading
  }

  /** Waits until the service has told how many commands are pending, and these are here and worked off. */
  async #catchUp() {
    const { signal } = this.#stop;
    const isReceived = () => this.#announced !== null && this.#received >= this.#announced;
    await until(() => signal.aborted || isReceived(), LONGEST_SILENCE);
    await this.#commands.finish();
  }
}

function isWhole(value, least, most) {
  return Number.isInteger(value) && value >= least && value <= most;
}

function around(middle, spread, digits) {
  return Number((middle + (Math.random() * 2 - 1) * spread).toFixed(digits));
}

async function until(done, ms = Infinity) {
  const end = performance.now() + ms;
  while (!done() && performance.now() < end) await delay(20);
}

const { values: options } = parseArgs({
  options: {
    id: { type: 'string', default: 'node-1' },
    url: { type: 'string' },
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '1883' },
    prefix: { type: 'string', default: 'devices' },
    interval: { type: 'string', default: '5' },
    sleepy: { type: 'string' },
  },
});
const device = new Device({
  id: options.id,
  url: options.url ?? `mqtt://${options.host}:${options.port}`,
  prefix: options.prefix,
  // A credential does not belong into the list of processes: it comes from the environment.
  secret: process.env.DEVICE_SECRET,
  intervalMs: Number(options.interval) * 1_000,
  sleepyMs: options.sleepy === undefined ? undefined : Number(options.sleepy) * 1_000,
});
for (const name of ['SIGINT', 'SIGTERM']) process.on(name, () => device.stop());
await device.run();
