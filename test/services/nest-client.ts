import { Inject, Injectable, Module } from '@nestjs/common';
import { type ClientProxy, ClientsModule, Transport } from '@nestjs/microservices';
import { Test, type TestingModule } from '@nestjs/testing';
import { firstValueFrom, lastValueFrom, timeout } from 'rxjs';
import type { ProblemBody } from '../support/http.js';

const SIGNALBOX = 'SIGNALBOX';
/** Above every deadline of the service: an answer must come. */
const ANSWER_MS = 20_000;

/** Another team's service: it injects Nest's stock client, as their manual says. */
@Injectable()
class Caller {
  constructor(@Inject(SIGNALBOX) readonly client: ClientProxy) {}
}

/** A second Nest application that talks to Signalbox over MQTT with nothing but the stock ClientMqtt. */
export class NestClient {
  private constructor(
    private readonly module: TestingModule,
    private readonly client: ClientProxy,
  ) {}

  static async connect(url: string): Promise<NestClient> {
    @Module({
      imports: [ClientsModule.register([{ name: SIGNALBOX, transport: Transport.MQTT, options: { url } }])],
      providers: [Caller],
    })
    class OtherService {}
    const module = await Test.createTestingModule({ imports: [OtherService] }).compile();
    module.useLogger(false);
    await module.init();
    const { client } = module.get(Caller);
    await client.connect();
    return new NestClient(module, client);
  }

  /** The answer; rejects with what came as `err`. */
  send<T>(topic: string, data: unknown): Promise<T> {
    return firstValueFrom(this.client.send<T>(topic, data).pipe(timeout(ANSWER_MS)));
  }

  /** The problem document that the request is answered with. */
  async refused(topic: string, data: unknown): Promise<ProblemBody> {
    const answer = await this.send(topic, data).then(
      (response) => ({ response }),
      (error: unknown) => ({ error }),
    );
    if ('response' in answer) throw new Error(`not refused: ${JSON.stringify(answer.response)}`);
    return answer.error as ProblemBody;
  }

  /** Resolves when the client has handed it to the broker; QoS 0, as stock. */
  async emit(topic: string, data: unknown): Promise<void> {
    await lastValueFrom(this.client.emit(topic, data), { defaultValue: undefined });
  }

  async close(): Promise<void> {
    await this.module.close();
    this.client.close() as unknown;
  }
}
