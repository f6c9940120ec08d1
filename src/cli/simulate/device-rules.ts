import { between } from './random.js';
import type { Random } from './random.js';

/** An answer on `up/commands/{commandId}`. */
export interface Answer {
  readonly status: 'accepted' | 'progress' | 'succeeded' | 'failed' | 'rejected' | 'cancelled';
  /** 0 to 100. */
  readonly progress?: number;
  readonly code?: string;
  readonly message?: string;
  readonly result?: Readonly<Record<string, unknown>>;
}

/** What to do now: publish `answer` if there is one, and make the next step (`begin`, `proceed`) after so many milliseconds. */
export interface Reaction {
  readonly answer: Answer | null;
  readonly next: { readonly step: 'begin' | 'proceed'; readonly afterMs: number } | null;
  /** True where the command had been received before. */
  readonly repeated: boolean;
}

/** Finished commands whose answers are kept for a repeat, and commands that may run at once. */
export const REMEMBERED = 32;
export const MAX_RUNNING = 32;

const FAILURE_SHARE = 0.05;
/** Steps of a calibration; all else is done in one. */
const CALIBRATION_STEPS = 5;

type State = 'received' | 'accepted' | 'final';

interface Remembered {
  readonly type: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly expiresAt: number;
  state: State;
  answer: Answer | null;
  stepsLeft: number;
}

const NOTHING: Reaction = { answer: null, next: null, repeated: false };

/**
 * How a well-behaved device answers commands: it accepts what it knows, reports the progress of what takes long (`CALIBRATE`),
 * finishes a little later, rejects unknown types and what came too late (`EXPIRED`), does nothing twice, and repeats its stored
 * answer when a command comes again. It holds the state of the device but no clock, socket or timer; times are milliseconds of
 * any clock that never goes back.
 */
export class DeviceRules {
  private readonly commands = new Map<string, Remembered>();
  private fanOn = false;
  private target: number | null = null;

  constructor(private readonly random: Random) {}

  /** Whether the fan that commands turn on and off is running. */
  get fan(): boolean {
    return this.fanOn;
  }

  /** How many commands are received but not finished. */
  get running(): number {
    return [...this.commands.values()].filter(({ state }) => state !== 'final').length;
  }

  /** A command came in. */
  receive(commandId: string, payload: string, now: number): Reaction {
    const known = this.commands.get(commandId);
    if (known) return { answer: known.answer, next: null, repeated: true };
    const command = parseCommand(payload, now);
    const refusal = this.refusalOf(command);
    if (refusal) return { ...NOTHING, answer: this.remember(commandId, command, 'final', refusal) };
    this.remember(commandId, command, 'received', null);
    return { ...NOTHING, next: { step: 'begin', afterMs: between(this.random, 5, 100) } };
  }

  /** The device gets round to a command: it starts now or, where its time is over, never. */
  begin(commandId: string, now: number): Reaction {
    const command = this.commands.get(commandId);
    if (command?.state !== 'received') return NOTHING;
    if (now >= command.expiresAt) {
      return { ...NOTHING, answer: this.conclude(commandId, command, { status: 'rejected', code: 'EXPIRED' }) };
    }
    return {
      ...NOTHING,
      answer: settle(command, 'accepted', { status: 'accepted' }),
      next: this.nextStep(command),
    };
  }

  /** A command that was accepted is a step further: it reports how far it is, is done, or turns out to have failed. */
  proceed(commandId: string): Reaction {
    const command = this.commands.get(commandId);
    if (command?.state !== 'accepted') return NOTHING;
    command.stepsLeft -= 1;
    if (command.stepsLeft > 0) {
      const progress = Math.round(100 * (1 - command.stepsLeft / stepsOf(command.type)));
      return {
        ...NOTHING,
        answer: settle(command, 'accepted', { status: 'progress', progress }),
        next: this.nextStep(command),
      };
    }
    const answer: Answer =
      this.random() < FAILURE_SHARE
        ? { status: 'failed', code: 'ACTUATOR_STUCK', message: 'the actuator did not move' }
        : { status: 'succeeded', result: this.execute(command.type, command.params) };
    return { ...NOTHING, answer: this.conclude(commandId, command, answer) };
  }

  /** A cancel notice came in: what is not finished is given up; what is finished, or unknown, stays as it is. */
  cancel(commandId: string): Reaction {
    const command = this.commands.get(commandId);
    if (!command) return NOTHING;
    if (command.state === 'final') return { ...NOTHING, answer: command.answer, repeated: true };
    return { ...NOTHING, answer: this.conclude(commandId, command, { status: 'cancelled' }) };
  }

  /** A command of a device without answers (foreign topics): it is done at once. False where the type is unknown. */
  obey(type: string, params: Readonly<Record<string, unknown>>): boolean {
    if (!EFFECTS.has(type)) return false;
    this.execute(type, params);
    return true;
  }

  private refusalOf(command: ParsedCommand): Answer | null {
    if (command.type === '') return { status: 'rejected', code: 'BAD_COMMAND', message: 'this is no command' };
    if (!EFFECTS.has(command.type)) return { status: 'rejected', code: 'UNKNOWN_TYPE' };
    if (command.type === 'SET_TARGET' && typeof command.params['temperature'] !== 'number') {
      return { status: 'rejected', code: 'BAD_PARAMS', message: 'temperature must be a number' };
    }
    if (this.running >= MAX_RUNNING) return { status: 'rejected', code: 'BUSY' };
    return null;
  }

  private remember(commandId: string, command: ParsedCommand, state: State, answer: Answer | null): Answer | null {
    this.commands.set(commandId, { ...command, state, answer, stepsLeft: stepsOf(command.type) });
    this.forget();
    return answer;
  }

  /** All of a command takes 150 to 1,500 ms, however many steps it has. */
  private nextStep({ type }: Remembered): NonNullable<Reaction['next']> {
    return { step: 'proceed', afterMs: between(this.random, 150, 1500) / stepsOf(type) };
  }

  /** Of the finished commands the last to finish are remembered, however long they took. */
  private conclude(commandId: string, command: Remembered, answer: Answer): Answer {
    this.commands.delete(commandId);
    this.commands.set(commandId, command);
    settle(command, 'final', answer);
    this.forget();
    return answer;
  }

  private forget(): void {
    const finished = [...this.commands].filter(([, { state }]) => state === 'final');
    for (const [commandId] of finished.slice(0, -REMEMBERED)) this.commands.delete(commandId);
  }

  private execute(type: string, params: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
    if (type === 'TURN_ON_FAN') this.fanOn = true;
    if (type === 'TURN_OFF_FAN') this.fanOn = false;
    if (type === 'SET_TARGET') this.target = Number(params['temperature']);
    return { fan: this.fanOn, ...(this.target === null ? {} : { target: this.target }) };
  }
}

const EFFECTS = new Set(['PING', 'TURN_ON_FAN', 'TURN_OFF_FAN', 'SET_TARGET', 'CALIBRATE']);

function stepsOf(type: string): number {
  return type === 'CALIBRATE' ? CALIBRATION_STEPS : 1;
}

interface ParsedCommand {
  readonly type: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly expiresAt: number;
}

/** Reads `{"type", "params", "ttlMs"}`; what cannot be read has an empty type. */
function parseCommand(payload: string, now: number): ParsedCommand {
  const unreadable = { type: '', params: {}, expiresAt: Infinity };
  let body: unknown;
  try {
    body = JSON.parse(payload);
  } catch {
    return unreadable;
  }
  if (typeof body !== 'object' || body === null) return unreadable;
  const { type, params = {}, ttlMs = Infinity } = body as Record<string, unknown>;
  const isObject = typeof params === 'object' && params !== null && !Array.isArray(params);
  if (typeof type !== 'string' || !isObject || typeof ttlMs !== 'number') return unreadable;
  return { type, params: params as Record<string, unknown>, expiresAt: now + ttlMs };
}

function settle(command: Remembered, state: State, answer: Answer): Answer {
  command.state = state;
  command.answer = answer;
  return answer;
}
