import { connectAsync, type MqttClient } from 'mqtt';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

const SENT = /: Sending PUBLISH to (\S+) \(d\d, q1, r\d, m(\d+), /;
const ANSWERED = /: Received PUBACK from (\S+) \(Mid: (\d+), /;
const CONNECTED = /: New client connected from \S+ as (\S+) \(p\d, /;
const SUBSCRIBED = /: Sending SUBACK to (\S+)/;
const TAKEN_OVER = /: Client (\S+) already connected, closing old connection/;
const MARK = /: Received PUBLISH from \S+ \(.*, 'marks\/(\d+)', /;

/**
 * What a Mosquitto that logs everything (`log_type all`) has said: the only place from which a test can tell that Signalbox has
 * taken in all that the broker has for it. Mosquitto logs a packet to a subscriber before it acknowledges it to the publisher.
 */
export class BrokerLog {
  /** Client ids of the connections opened so far. */
  readonly connects: string[] = [];
  /** Client ids whose subscriptions the broker has granted. */
  readonly subscribed = new Set<string>();
  /** Client ids of the connections that the broker closed because another came with the same client id. */
  readonly takeOvers: string[] = [];
  private readonly unanswered = new Set<string>();
  private readonly waiting = new Set<() => void>();
  private lastMark = 0;
  private nextMark = 1;
  private marker: Promise<MqttClient> | null = null;

  /** `clients`: the beginning of the client ids of Signalbox's own connections. */
  constructor(
    stream: Readable,
    private readonly url: string,
    private readonly clients: string,
  ) {
    createInterface({ input: stream }).on('line', (line) => this.read(line));
  }

  /** Resolves when Signalbox has acknowledged all that the broker had accepted for it before this call. */
  async settled(deadlineMs = 20_000): Promise<void> {
    const mark = this.nextMark++;
    this.marker ??= connectAsync(this.url, { protocolVersion: 4, reconnectPeriod: 0 });
    const marker = await this.marker;
    await marker.publishAsync(`marks/${mark}`, '');
    await new Promise<void>((resolve, reject) => {
      const look = (): void => {
        if (this.lastMark < mark || this.unanswered.size > 0) return;
        this.waiting.delete(look);
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        this.waiting.delete(look);
        reject(new Error(`still not acknowledged by Signalbox: ${[...this.unanswered].slice(0, 5).join(', ')}`));
      }, deadlineMs);
      this.waiting.add(look);
      look();
    });
  }

  /** Ends the connection of its own; call it before the broker is stopped. */
  async close(): Promise<void> {
    const marker = await this.marker?.catch(() => null);
    this.marker = null;
    await marker?.endAsync(true);
  }

  private read(line: string): void {
    const sent = SENT.exec(line);
    if (sent?.[1]!.startsWith(this.clients)) this.unanswered.add(`${sent[1]} ${sent[2]}`);
    const answered = ANSWERED.exec(line);
    if (answered) this.unanswered.delete(`${answered[1]} ${answered[2]}`);
    const mark = MARK.exec(line);
    if (mark) this.lastMark = Number(mark[1]);
    if (answered || mark) for (const look of this.waiting) look();
    const connected = CONNECTED.exec(line)?.[1];
    if (connected) this.connects.push(connected);
    const subscribed = SUBSCRIBED.exec(line)?.[1];
    if (subscribed) this.subscribed.add(subscribed);
    const takenOver = TAKEN_OVER.exec(line)?.[1];
    if (takenOver) this.takeOvers.push(takenOver);
  }
}
