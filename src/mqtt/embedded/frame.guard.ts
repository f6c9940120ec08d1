import { Duplex } from 'node:stream';
import { Allowance } from './allowance.js';
import type { Flow } from './flow.js';
import { HeldPings } from './held-pings.js';
import { InFlight } from './in-flight.js';
import { Keepalive, KeepaliveTimeout } from './keepalive.js';
import { SocketWriter } from './socket-writer.js';
import {
  CONNECT,
  DISCONNECT,
  type FrameHeader,
  headerProblem,
  MAX_CONNECT_BYTES,
  PINGREQ,
  PUBLISH,
  readHeader,
} from './frame-header.js';

/** Publishes of one client that may wait for their acknowledgement; more are held, not closed. */
const MAX_IN_FLIGHT = 64;
/** Bytes kept of a client that is held, before its socket is paused. */
const MAX_HELD_BYTES = 65_536;
/** An id of 65,535 bytes still gets its CONNACK. */
const MAX_ANSWERED_CONNECT = 131_072;
/** Packets of one client before the others get their turn. */
const MAX_FRAMES_PER_TURN = 256;
const READ_BUFFER = 65_536;
const WRITE_BUFFER = 65_536;
const RATE_STEP_MS = 50;
/** A peer whose socket takes nothing for this long is closed. */
export const DRAIN_TIMEOUT_MS = 20_000;
const PINGRESP = Buffer.from([0xd0, 0]);

/** What the guard tells of its client. */
export interface GuardEvents {
  /** The client broke a rule of the wire or a limit, and is being closed. */
  onRefused(why: 'packet' | 'connect_size' | 'rate', detail: string): void;
}

/**
 * Stands between a client's socket and aedes, and reads only fixed headers. It refuses what aedes would buffer or accept,
 * holds publishes back while too much is in flight, answers PINGREQ itself (so that a client that waits behind slow handlers
 * is neither closed nor closes), keeps the keepalive time, and joins what is written in one turn into one packet.
 */
export class FrameGuard extends Duplex {
  /** Bytes not passed on yet: part of a header, or frames that are held. */
  private pending: Buffer | null = null;
  /** Bytes of the present frame that are still to come. */
  private remaining = 0;
  private sawConnect = false;
  private connackSent = false;
  private ready = false;
  private readonly inFlight: InFlight;
  private held = false;
  /** True until the next turn of the event loop, where this one's share is used up. */
  private yielding = false;
  private rateTimer: NodeJS.Timeout | null = null;
  readonly keepalive: Keepalive;
  private scheduled = false;
  private full = false;
  private ended = false;
  private sentEnd = false;
  readonly allowance = new Allowance();
  private readonly heldPings = new HeldPings();
  private readonly writer: SocketWriter;

  constructor(
    private readonly socket: Duplex,
    private readonly flow: Flow,
    private readonly events: GuardEvents,
    drainTimeoutMs = DRAIN_TIMEOUT_MS,
  ) {
    super({ readableHighWaterMark: READ_BUFFER, writableHighWaterMark: WRITE_BUFFER, emitClose: true });
    this.inFlight = new InFlight(flow);
    this.writer = new SocketWriter(socket, drainTimeoutMs);
    this.keepalive = new Keepalive(
      () => socket.isPaused(),
      () => this.destroy(new KeepaliveTimeout()),
    );
    this.on('drain', () => this.goOn());
    socket.on('data', this.onData);
    socket.on('end', () => {
      this.ended = true;
      if (!this.destroyed) this.keepalive.close(); // else nobody would stop that clock any more
      this.advance();
    });
    socket.on('error', (error) => flow.changes.do(() => this.destroy(error)));
    socket.on('close', () => flow.changes.do(() => this.destroy()));
  }

  /** The CONNECT is answered: what the client sent behind it may pass, at the rate that is left to its id. */
  open(clientId: string): void {
    this.ready = true;
    this.allowance.use(this.flow.bucketOf(clientId));
    this.advance();
  }

  /** Sends CONNACK with a return code and closes, in a way that lets the client read it. */
  refuse(returnCode: number): void {
    this.socket.write(Buffer.from([0x20, 2, 0, returnCode]));
    this.destroy();
  }

  /** A publish that was passed on has arrived: whoever took it in gives its bytes back with {@link settle}. */
  claim(bytes: number): void {
    this.inFlight.claim(bytes);
  }

  /** A publish that was claimed is done with, acknowledged or not. */
  settle(bytes: number): void {
    this.inFlight.settle(bytes);
    if (this.held || this.ended) this.goOn();
  }

  /** Tries again, later in this turn, to pass on what is held. */
  goOn(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    process.nextTick(this.advance);
  }

  override _read(): void {
    this.full = false;
    this.regulate();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    this.connackSent = true;
    this.writer.write(chunk, callback);
  }

  override _writev(chunks: readonly { readonly chunk: Buffer }[], callback: () => void): void {
    this.connackSent = true;
    this.writer.write(Buffer.concat(chunks.map(({ chunk }) => chunk)), callback);
  }

  override _final(callback: () => void): void {
    this.socket.end(callback);
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.writer.stop();
    this.keepalive.stop();
    if (this.rateTimer) clearTimeout(this.rateTimer);
    this.flow.leave(this);
    this.inFlight.end();
    this.pending = null;
    const { socket } = this;
    socket.off('data', this.onData);
    if (error || socket.destroyed) socket.destroy();
    else this.writer.end();
    callback(error);
  }

  private readonly onData = (chunk: Buffer): void => {
    this.keepalive.heard();
    this.pending = this.pending ? Buffer.concat([this.pending, chunk]) : chunk;
    this.advance();
  };

  private readonly advance = (): void => {
    this.scheduled = false;
    if (this.destroyed) return;
    if (this.yielding) return this.regulate();
    this.held = false;
    if (this.pending) this.pass(this.pending);
    if (this.destroyed) return;
    if (!this.held) this.allowance.rested();
    else if (this.pending && this.connackSent && !this.writableNeedDrain) {
      this.answer(this.heldPings.find(this.pending));
    }
    // What came whole before the end is finished and acknowledged first.
    if (this.ended && !this.held && !this.yielding && this.inFlight.whole === 0 && !this.sentEnd) {
      this.sentEnd = true;
      // aedes closes at that.
      this.flow.changes.do(() => this.push(null));
    }
    this.regulate();
  };

  /** Passes on the frames at the front of `data`, as far as they may go now. */
  private pass(data: Buffer): void {
    let at = 0;
    let from = 0;
    let pings = 0;
    let frames = 0;
    while (at < data.length) {
      if (this.remaining > 0) {
        const step = Math.min(this.remaining, data.length - at);
        at += step;
        this.remaining -= step;
        if (this.remaining === 0) this.inFlight.finish();
        continue;
      }
      const header = readHeader(data, at);
      if (header === null) break;
      const problem = header === 'invalid' ? 'a length of five bytes' : this.problemOf(header);
      if (header === 'invalid' || problem !== null) {
        this.abort('packet', problem ?? '');
        return;
      }
      if (frames++ === MAX_FRAMES_PER_TURN) {
        this.yieldTurn();
        break;
      }
      if (this.mustWait(header)) {
        if (this.destroyed) return;
        this.held = true;
        break;
      }
      if (header.type === PINGREQ) {
        if (at > from) this.hand(data.subarray(from, at));
        from = at += header.size;
        if (!this.heldPings.wasAnswered()) pings++;
        continue;
      }
      if (header.type === PUBLISH) this.inFlight.begin(header.length);
      at += header.size;
      this.remaining = header.length;
    }
    if (at > from) this.hand(data.subarray(from, at));
    this.pending = at < data.length ? data.subarray(at) : null;
    this.heldPings.passed(at);
    this.answer(pings);
  }

  private yieldTurn(): void {
    this.yielding = true;
    setImmediate(() => {
      this.yielding = false;
      this.advance();
    });
  }

  private problemOf(header: FrameHeader): string | null {
    if (this.sawConnect) return headerProblem(header);
    if (header.type !== CONNECT || header.flags !== 0) return 'something else than CONNECT first'; // [MQTT-3.1.0-1]
    if (header.length > MAX_CONNECT_BYTES) return 'a CONNECT that is too large';
    this.sawConnect = true;
    return null;
  }

  /** True where the frame may not pass yet. Sees to it that it is tried again. */
  private mustWait(header: FrameHeader): boolean {
    const { type } = header;
    if (type === CONNECT) return false;
    if (!this.ready || this.flow.stopped) return true;
    if (this.writableNeedDrain) return true; // it asks, and does not read what is answered
    // aedes closes at DISCONNECT, and would drop what its client sent before.
    if (type === DISCONNECT) return this.inFlight.count > 0;
    if (type === PUBLISH && this.inFlight.count >= MAX_IN_FLIGHT) return true;
    if (type === PUBLISH && this.flow.full && this.inFlight.count > 0) {
      this.flow.wait(this);
      return true;
    }
    if (this.allowance.take(header)) return false;
    this.waitForRate();
    return true;
  }

  private waitForRate(): void {
    const { rate, patienceMs } = this.flow;
    if (this.allowance.isOverFor(patienceMs)) {
      return this.abort('rate', `more than ${rate} packets a second for ${patienceMs / 1_000} s`);
    }
    this.rateTimer ??= setTimeout(() => {
      this.rateTimer = null;
      this.advance();
    }, RATE_STEP_MS);
  }

  private answer(pings: number): void {
    if (pings > 0) this.write(Buffer.alloc(pings * PINGRESP.length, PINGRESP));
  }

  private hand(bytes: Buffer): void {
    if (!this.push(bytes)) this.full = true;
  }

  private regulate(): void {
    const wait = this.full || ((this.held || this.yielding) && (this.pending?.length ?? 0) >= MAX_HELD_BYTES);
    if (wait !== this.socket.isPaused() && !this.socket.destroyed) {
      if (wait) this.socket.pause();
      else this.socket.resume();
    }
  }

  abort(why: 'packet' | 'rate', detail: string): void {
    const header = this.sawConnect || !this.pending ? null : readHeader(this.pending, 0);
    const isConnect = header !== null && header !== 'invalid' && header.type === CONNECT && header.flags === 0;
    if (isConnect && header.length > MAX_CONNECT_BYTES) {
      this.events.onRefused(
        'connect_size',
        `a CONNECT of ${header.length} bytes; at most ${MAX_CONNECT_BYTES} are taken`,
      );
      if (header.length <= MAX_ANSWERED_CONNECT) return this.refuse(2);
    } else this.events.onRefused(why, detail);
    this.destroy(new Error(detail));
  }
}
