import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import type { Page } from '../common/cursor.js';
import type { Json } from '../common/json.js';
import { OnRequest, type ServiceRequest } from '../mqtt/on-request.decorator.js';
import { HistoryDto, LatestDto } from './dto/service-requests.dto.js';
import { readable } from './payload.js';
import type { RecordResult } from './record-request.js';
import type { LatestResource, ReadingResource } from './sensor.resource.js';
import { SensorService } from './sensor.service.js';

/** Bytes of the items of one page, so that it fits into an MQTT message of 256 KiB with all that is around it. */
const MOST_PAGE_BYTES = 250 * 1024;

/** Requests of other services: readings in and out. */
@Controller()
export class SensorServiceController {
  constructor(private readonly sensors: SensorService) {}

  @OnRequest('services/sensor/latest')
  latest(@Payload() { deviceId }: LatestDto, @Ctx() { caller }: ServiceRequest): Promise<LatestResource> {
    return this.sensors.latest(deviceId, caller);
  }

  @OnRequest('services/sensor/history')
  history(
    @Payload() { deviceId, metrics, from, to, order, limit, cursor }: HistoryDto,
    @Ctx() { caller }: ServiceRequest,
  ): Promise<Page<ReadingResource>> {
    const query = { deviceId, metrics: metrics ?? null, from: from ?? null, to: to ?? null, order };
    return this.sensors.history(caller, query, limit, cursor ?? null, MOST_PAGE_BYTES);
  }

  @OnRequest('services/sensor/record', { decode: readable })
  record(
    @Payload() document: Json,
    @Ctx() { caller, topic, payload, receivedAt, arrival }: ServiceRequest,
  ): Promise<RecordResult> {
    return this.sensors.recordRequest({ document, topic, payload, receivedAt, arrival }, caller);
  }
}
