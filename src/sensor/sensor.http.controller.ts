import { Controller, Get, Query, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { nextLink, type Page } from '../common/cursor.js';
import { ListRejectsDto } from './dto/list-rejects.dto.js';
import { ListSensorsDto } from './dto/list-sensors.dto.js';
import { type RejectResource, type SensorResource, sensorResource } from './sensor.resource.js';
import { SensorService } from './sensor.service.js';

/** The simple route `GET /sensors`, and the rejects. */
@Controller()
export class SensorHttpController {
  constructor(private readonly sensors: SensorService) {}

  @Get('sensors')
  async list(@Query() { limit, deviceId }: ListSensorsDto): Promise<SensorResource[]> {
    return (await this.sensors.list(limit, deviceId ?? null)).map(sensorResource);
  }

  @Get('v1/rejects')
  async listRejects(
    @Query() { deviceId, code, limit, cursor }: ListRejectsDto,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<RejectResource>> {
    const page = await this.sensors.listRejects({ deviceId, code }, limit, cursor ?? null);
    const next = nextLink(request.url, page);
    if (next !== null) void reply.header('link', next);
    return page;
  }
}
