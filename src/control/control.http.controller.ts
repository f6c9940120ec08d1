import { Body, Controller, HttpCode, Post, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Caller, type Principal, RequireScope } from '../common/access.js';
import { COMMAND_DEFAULTS } from './command.js';
import { type CommandResource, commandResource } from './command.resource.js';
import { ControlService } from './control.service.js';
import { ControlDto } from './dto/control.dto.js';
import { requestKeyOf } from './request-headers.js';

/** The simple route `POST /control`. */
@Controller()
export class ControlHttpController {
  constructor(private readonly control: ControlService) {}

  @Post('control')
  @RequireScope('commands:send')
  @HttpCode(202)
  async send(
    @Body() { command: type, deviceId, params }: ControlDto,
    @Caller() caller: Principal,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CommandResource> {
    const key = requestKeyOf(request, '/control', caller);
    const asked = { ...COMMAND_DEFAULTS, deviceId, type, params };
    const { command, replayed } = await this.control.send(asked, { caller, key, unseen: 'foreign' });
    if (replayed) void reply.header('idempotency-replayed', 'true');
    void reply.header('location', `/v1/commands/${command.id}`);
    return { command: type, ...commandResource(command) };
  }
}
