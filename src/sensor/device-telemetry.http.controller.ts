import { Controller, HttpCode, Post, Req } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyRequest } from 'fastify';
import { CallingDevice, ForDevices } from '../common/access.js';
import { AS_BYTES } from '../common/raw-body.js';
import { TopicConfig } from '../config/topic.config.js';
import { readable } from './payload.js';
import { messageResult, type RecordResult } from './record-request.js';
import { SensorService } from './sensor.service.js';

/** Telemetry of devices without MQTT. */
@Controller('v1/device/telemetry')
@ForDevices()
export class DeviceTelemetryHttpController {
  constructor(
    private readonly sensors: SensorService,
    private readonly topics: TopicConfig,
  ) {}

  /** As if the device had published the body on its `up/telemetry`; each reading is judged alone. */
  @Post()
  @HttpCode(200)
  @RouteConfig(AS_BYTES)
  async record(@CallingDevice() deviceId: string, @Req() { body }: FastifyRequest): Promise<RecordResult> {
    // A request may come without a body and without its type.
    const payload = (body ?? Buffer.alloc(0)) as Buffer;
    readable(payload);
    const [result] = await this.sensors.record([
      {
        deviceId,
        link: 'native',
        topic: `${this.topics.prefix}/${deviceId}/up/telemetry`,
        payload,
        receivedAt: Date.now(),
        subject: { kind: 'telemetry', metric: null },
      },
    ]);
    return messageResult(result!);
  }
}
