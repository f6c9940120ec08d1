import { Injectable, Logger } from '@nestjs/common';
import { isDeviceId } from '../common/ids.js';
import { LimitedLog } from '../common/limited-log.js';
import { AdmissionService } from '../device/admission.service.js';
import { DeviceService } from '../device/device.service.js';
import { type RefusedMessage, SensorService } from '../sensor/sensor.service.js';
import { AnswerToNothing, BadAnswer, parseAnswer, parseGet } from './answer.parser.js';
import { type Command, MAX_OPEN } from './command.js';
import { CommandDispatcher } from './command.dispatcher.js';
import { CommandJournal } from './command.journal.js';
import type { Answer } from './command.machine.js';
import { CommandSender } from './command.sender.js';

/** What was published on `up/commands/{commandId}`, or `up/commands/get`. Ids as the topic has them; `receivedAt` in epoch milliseconds. */
export interface AnswerMessage {
  readonly deviceId: string;
  readonly commandId: string;
  readonly topic: string;
  readonly payload: Buffer;
  readonly receivedAt: number;
}

/** Answers since the start: those that changed something, those that did not (repeats, too late, overtaken), and those that were none. */
export interface AnswerCounts {
  readonly applied: number;
  readonly ignored: number;
  readonly bad: number;
}

/** What devices say of their commands. */
@Injectable()
export class AnswerService {
  private readonly log = new LimitedLog(new Logger(AnswerService.name));
  private readonly tally = { applied: 0, ignored: 0, bad: 0 };

  constructor(
    private readonly journal: CommandJournal,
    private readonly dispatcher: CommandDispatcher,
    private readonly sender: CommandSender,
    private readonly devices: DeviceService,
    private readonly sensors: SensorService,
    private readonly admission: AdmissionService,
  ) {}

  get counts(): AnswerCounts {
    return { ...this.tally };
  }

  /**
   * Enters what devices published; resolves once all of it is committed. What is no answer, or none to a command that was sent
   * to that device, is kept as a reject (BAD_ANSWER) and changes nothing; so is what a device says that is kept out. Rejects with
   * STORAGE_UNAVAILABLE.
   */
  async hear(messages: readonly AnswerMessage[]): Promise<void> {
    const keptOut = await this.admission.keptOut(messages.filter(({ deviceId }) => isDeviceId(deviceId)));
    const problems = await Promise.all(
      messages.map(async (message) => keptOut.get(message.deviceId) ?? badAnswer(await this.take(message))),
    );
    const refused = messages.flatMap(({ commandId, ...message }, i): RefusedMessage[] => {
      const problem = problems[i];
      return problem ? [{ ...message, ...problem, ref: commandId }] : [];
    });
    await this.sensors.reject(refused);
    this.tally.bad += refused.length;
  }

  /** As {@link answer}, of a device that is not known to be admitted. Throws DEVICE_UNKNOWN, DEVICE_PENDING, DEVICE_DISABLED besides. */
  async answerOf(deviceId: string, commandId: string, answer: Answer): Promise<Command> {
    await this.admission.require(deviceId);
    return this.answer(deviceId, commandId, answer);
  }

  /** Enters an answer; resolves with the command after the commit. Throws BadAnswer where that device was never sent such a command. */
  async answer(deviceId: string, commandId: string, answer: Answer, receivedAt = Date.now()): Promise<Command> {
    const entry = await this.journal.enter(commandId, (command) =>
      isSentTo(command, deviceId) ? { kind: 'answer', at: receivedAt, answer } : null,
    );
    if (!entry || entry.command.deviceId !== deviceId)
      throw new AnswerToNothing('There is no such command of this device.');
    if (entry.command.attempts === 0) throw new BadAnswer('This command has not been sent yet.');
    this.tally[entry.changed ? 'applied' : 'ignored']++;
    return entry.command;
  }

  /** Resolves with why the message says nothing, or null. */
  private async take(message: AnswerMessage): Promise<string | null> {
    const { deviceId, commandId, payload, receivedAt } = message;
    try {
      if (commandId === 'get') void this.sendPending(deviceIdOf(deviceId), parseGet(payload) ?? MAX_OPEN);
      else await this.answer(deviceId, commandId, parseAnswer(payload), receivedAt);
      return null;
    } catch (error) {
      if (error instanceof BadAnswer) return error.message;
      throw error;
    }
  }

  /** Does not hold the acknowledgement up: a device that gets no number asks again. */
  private async sendPending(deviceId: string, max: number): Promise<void> {
    try {
      await this.devices.noteNative(deviceId);
      await this.sender.sendCount(deviceId, await this.dispatcher.sendPending(deviceId, max));
    } catch (error) {
      this.log.warn('get', () => ({ msg: 'pending commands not sent', deviceId, error: String(error) }));
    }
  }
}

function badAnswer(detail: string | null): Pick<RefusedMessage, 'code' | 'detail'> | null {
  return detail === null ? null : { code: 'BAD_ANSWER', detail };
}

function deviceIdOf(deviceId: string): string {
  if (isDeviceId(deviceId)) return deviceId;
  throw new BadAnswer('The level of the topic that names the device is no device id.');
}

function isSentTo({ deviceId, attempts }: Command, device: string): boolean {
  return deviceId === device && attempts > 0;
}
