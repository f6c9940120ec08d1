import type { Seen } from '../../mqtt/support/wire.js';

/** A publish of a command on its way to its device. */
export interface SeenPublish {
  readonly index: number;
  readonly at: number;
  readonly attempt: number;
  /** When the device acknowledged it, or null. */
  readonly acknowledgedAt: number | null;
}

/** What a device itself said of a command. */
export interface SeenAnswer {
  readonly index: number;
  readonly status: string;
  readonly result: unknown;
  /** When the broker acknowledged it, or null. */
  readonly acknowledgedAt: number | null;
}

const FINALS = new Set(['succeeded', 'failed', 'rejected', 'cancelled']);
const ANSWERS = new Set(['accepted', 'progress', ...FINALS]);

/** What a recording proxy saw of a device's commands, in the order of the bytes. */
export class WireFacts {
  constructor(
    private readonly seen: readonly Seen[],
    private readonly deviceId: string,
  ) {}

  publishesOf(commandId: string): SeenPublish[] {
    const topic = `devices/${this.deviceId}/down/commands/${commandId}`;
    return this.messages('broker', topic).map(({ index, at, payload, acknowledgedAt }) => {
      const { attempt } = JSON.parse(payload) as { readonly attempt: number };
      return { index, at, attempt, acknowledgedAt };
    });
  }

  /** Those that are well formed. */
  answersTo(commandId: string): SeenAnswer[] {
    const topic = `devices/${this.deviceId}/up/commands/${commandId}`;
    return this.messages('client', topic).flatMap(({ index, payload, acknowledgedAt }) => {
      try {
        const { status, result = null } = JSON.parse(payload) as { readonly status: string; readonly result?: unknown };
        return ANSWERS.has(status) ? [{ index, status, result, acknowledgedAt }] : [];
      } catch {
        return [];
      }
    });
  }

  finalsOf(commandId: string): SeenAnswer[] {
    return this.answersTo(commandId).filter(({ status }) => FINALS.has(status));
  }

  /** What was seen of the device, for who has to understand why a test failed. */
  get log(): readonly string[] {
    return this.seen
      .filter(({ clientId }) => clientId.startsWith(this.deviceId))
      .map(({ at, connection, clientId, from, packet }) => {
        const { cmd, messageId = '' } = packet;
        const more = packet.cmd === 'publish' ? `${packet.topic} ${packet.payload.toString()}` : '';
        return `${at} ${connection} ${clientId} ${from} ${cmd} ${messageId} ${more}`;
      });
  }

  private messages(from: 'client' | 'broker', topic: string) {
    return this.seen.flatMap(({ packet, connection, clientId, from: sender, at }, index) => {
      if (packet.cmd !== 'publish' || sender !== from || packet.topic !== topic) return [];
      if (clientId !== this.deviceId) return [];
      const acknowledgement = this.seen
        .slice(index + 1)
        .find(
          (one) =>
            one.connection === connection &&
            one.from !== from &&
            one.packet.cmd === 'puback' &&
            one.packet.messageId === packet.messageId,
        );
      return [{ index, at, payload: packet.payload.toString(), acknowledgedAt: acknowledgement?.at ?? null }];
    });
  }
}
