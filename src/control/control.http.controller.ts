import { Body, Controller, Get, HttpCode, Param, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { COMMAND_DEFAULTS } from './command.js';
import { type CommandResource, commandResource } from './command.resource.js';
import { ControlService } from './control.service.js';
import { ControlDto } from './dto/control.dto.js';

/** The simple route `POST /control`, and commands read back. */
@Controller()
export class ControlHttpController {
  constructor(private readonly control: ControlService) {}

  @Post('control')
  @HttpCode(202)
  async send(
    @Body() { command: type, deviceId, params }: ControlDto,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CommandResource> {
    const request = { ...COMMAND_DEFAULTS, deviceId, type, params };
    const { command } = await this.control.send(request, { unseen: 'foreign' });
    void reply.header('location', `/v1/commands/${command.id}`);
    return { command: type, ...commandResource(command) };
  }

  @Get('v1/commands/:id')
  async get(@Param('id') id: string): Promise<CommandResource> {
    return commandResource(await this.control.get(id));
  }
}
