import { Controller, Get, Query, Req, Res, type StreamableFile } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Caller, type Principal, RequireScope } from '../common/access.js';
import { nextLink, type Page } from '../common/cursor.js';
import { arrayOf } from '../common/json-array.js';
import { ListRejectsDto } from './dto/list-rejects.dto.js';
import { ListSensorsDto } from './dto/list-sensors.dto.js';
import type { StoredReading } from './reading.repository.js';
import { type RejectResource, type SensorResource, sensorResource } from './sensor.resource.js';
import { SensorService } from './sensor.service.js';

/** The simple route `GET /sensors`, and the rejects. */
@Controller()
export class SensorHttpController {
  constructor(private readonly sensors: SensorService) {}

  @Get('sensors')
  @RequireScope('telemetry:read')
  async list(
    @Query() { limit, deviceId }: ListSensorsDto,
    @Caller() caller: Principal,
  ): Promise<readonly unknown[] | StreamableFile> {
    return arrayOf(shown(await this.sensors.list(caller, limit, deviceId ?? null)));
  }

  @Get('v1/rejects')
  @RequireScope('telemetry:read')
  async listRejects(
    @Query() { deviceId, code, limit, cursor }: ListRejectsDto,
    @Caller() caller: Principal,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<RejectResource>> {
    const page = await this.sensors.listRejects(caller, { deviceId, code }, limit, cursor ?? null);
    const next = nextLink(request.url, page);
    if (next !== null) void reply.header('link', next);
    return page;
  }
}

async function* shown(pages: AsyncIterable<readonly StoredReading[]>): AsyncGenerator<readonly SensorResource[]> {
  for await (const page of pages) yield page.map(sensorResource);
}
