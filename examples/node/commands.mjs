/** The rules by which a device answers commands. They know nothing of MQTT: what they have to say goes to `send(id, answer)`. */

const REMEMBERED = 32;

/**
 * Carries out commands one after another. `actions` holds a function of the params for each type; what it returns is the
 * result, and one that takes long is an async generator that yields its progress (0 to 100). `refusal(type, params)` says with a
 * code why a known type is not carried out. When `signal` aborts, what runs is given up at its next step.
 */
export class Commands {
  #actions;
  #refusal;
  #send;
  #signal;
  #answers = new Map(); // command id -> last answer, null while it waits
  #cancelled = new Set(); // ids to be given up while they run
  #waiting = [];
  #work = Promise.resolve();

  constructor({ actions, refusal, send, signal }) {
    this.#actions = actions;
    this.#refusal = refusal;
    this.#send = send;
    this.#signal = signal;
  }

  receive(id, payload) {
    // Rule 2: what was answered before is answered the same again, and not carried out again.
    if (this.#answers.has(id)) {
      const stored = this.#answers.get(id);
      if (stored) this.#send(id, stored);
      return;
    }
    const command = parseCommand(payload);
    const code = this.#refusalOf(command);
    if (code) return this.#answer(id, { status: 'rejected', code });
    this.#answers.set(id, null);
    this.#waiting.push({ id, ...command });
    this.#work = this.#work.then(() => this.#carryOutNext());
  }

  /** A command that waits is given up now, one that runs at its next step; what is finished is answered again. */
  cancel(id) {
    const stored = this.#answers.get(id);
    if (stored === null) this.#answer(id, { status: 'cancelled' });
    else if (stored && isFinal(stored)) this.#send(id, stored);
    else if (stored) this.#cancelled.add(id);
  }

  /** Resolves when all that has come in is finished. */
  async finish() {
    await this.#work;
  }

  #refusalOf(command) {
    if (!command) return 'BAD_COMMAND';
    if (!Object.hasOwn(this.#actions, command.type)) return 'UNKNOWN_TYPE'; // Rule 4
    return this.#waiting.length >= REMEMBERED ? 'BUSY' : this.#refusal(command.type, command.params);
  }

  async #carryOutNext() {
    if (this.#signal.aborted) return;
    const { id, type, params, expires } = this.#waiting.shift();
    if (this.#answers.get(id) !== null) return; // cancelled while it waited
    if (performance.now() >= expires) return this.#answer(id, { status: 'rejected', code: 'EXPIRED' }); // Rule 3
    this.#answer(id, { status: 'accepted' });
    try {
      const result = this.#actions[type](params);
      const isLong = Symbol.asyncIterator in result;
      this.#answer(id, { status: 'succeeded', result: isLong ? await this.#carryOutSteps(id, result) : result });
    } catch (error) {
      // Whatever went wrong, the sender must hear of it.
      if (error instanceof Cancelled) this.#answer(id, { status: 'cancelled' });
      else this.#answer(id, { status: 'failed', code: 'ERROR', message: String(error.message) });
    } finally {
      this.#cancelled.delete(id);
    }
  }

  async #carryOutSteps(id, steps) {
    for (;;) {
      const { done, value } = await steps.next();
      if (done) return value;
      if (this.#cancelled.has(id)) throw new Cancelled();
      if (this.#signal.aborted) throw new Error('the device was stopped');
      this.#answer(id, { status: 'progress', progress: value });
    }
  }

  #answer(id, answer) {
    // Put at the end: the last to finish stay, however long they took.
    this.#answers.delete(id);
    this.#answers.set(id, answer);
    const ended = [...this.#answers].filter(([, given]) => given && isFinal(given));
    for (const [forgotten] of ended.slice(0, -REMEMBERED)) this.#answers.delete(forgotten);
    this.#send(id, answer);
  }
}

/** The service asked for the running command to be given up. */
class Cancelled extends Error {}

/** The type, the params and the end of the time (on the monotonic clock) of a command; null where it is none. */
function parseCommand(payload) {
  const { type, params = {}, ttlMs = Infinity } = parseObject(payload) ?? {};
  const isCommand = typeof type === 'string' && isObject(params) && typeof ttlMs === 'number';
  return isCommand ? { type, params, expires: performance.now() + ttlMs } : null;
}

/** The object that a payload holds, or null where it holds none. */
export function parseObject(payload) {
  try {
    const value = JSON.parse(payload.toString());
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isFinal({ status }) {
  return status !== 'accepted' && status !== 'progress';
}
