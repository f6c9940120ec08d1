import { Body, Controller, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Caller, type Principal, RequireScope } from '../common/access.js';
import { nextLink, type Page } from '../common/cursor.js';
import { DeviceIdPipe } from '../common/device-id.pipe.js';
import { EmptyBodyPipe } from '../common/empty-body.pipe.js';
import { holdOpen } from '../common/long-poll.js';
import type { Command } from './command.js';
import type { CommandFilter } from './command.repository.js';
import { type CommandResource, commandResource } from './command.resource.js';
import type { WaitGoal } from './command.waiter.js';
import { ControlService } from './control.service.js';
import { CreateCommandDto } from './dto/create-command.dto.js';
import { CommandQueryDto } from './dto/command-query.dto.js';
import { ListCommandsDto, ListDeviceCommandsDto } from './dto/list-commands.dto.js';
import { preferredWaitOf, requestKeyOf } from './request-headers.js';

/** Commands over REST. */
@Controller('v1')
export class CommandHttpController {
  constructor(private readonly control: ControlService) {}

  /** 201 where the command is final within the wait, else 202. */
  @Post('devices/:deviceId/commands')
  @RequireScope('commands:send')
  async create(
    @Param('deviceId', DeviceIdPipe) deviceId: string,
    @Body() { type, ...options }: CreateCommandDto,
    @Caller() caller: Principal,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CommandResource> {
    const wait = preferredWaitOf(request);
    const key = requestKeyOf(request, `/v1/devices/${deviceId}/commands`, caller);
    const { command: sent, replayed } = await this.control.send({ ...options, deviceId, type }, { caller, key });
    const command = await this.waited(sent, caller, 'final', wait ?? 0, request);
    if (replayed) void reply.header('idempotency-replayed', 'true');
    if (wait !== null) void reply.header('preference-applied', `wait=${wait}`);
    void reply.header('location', `/v1/commands/${command.id}`).status(command.final ? 201 : 202);
    return commandResource(command);
  }

  @Get('devices/:deviceId/commands')
  @RequireScope('commands:read')
  async listOfDevice(
    @Param('deviceId', DeviceIdPipe) deviceId: string,
    @Query() query: ListDeviceCommandsDto,
    @Caller() caller: Principal,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<CommandResource>> {
    const page = await this.control.listOf(caller, deviceId, filterOf(query), query.limit, query.cursor ?? null);
    return shown(page, request, reply);
  }

  @Get('commands')
  @RequireScope('commands:read')
  async list(
    @Query() query: ListCommandsDto,
    @Caller() caller: Principal,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<CommandResource>> {
    const { deviceId: deviceIds, limit, cursor } = query;
    const filter = { ...filterOf(query), ...(deviceIds && { deviceIds }) };
    return shown(await this.control.list(caller, filter, limit, cursor ?? null), request, reply);
  }

  @Get('commands/:id')
  @RequireScope('commands:read')
  async get(
    @Param('id') id: string,
    @Query() { wait, until }: CommandQueryDto,
    @Caller() caller: Principal,
    @Req() request: FastifyRequest,
  ): Promise<CommandResource> {
    const command = await this.control.get(id, caller);
    return commandResource(await this.waited(command, caller, until, wait, request));
  }

  /** 200 where that has ended the command, 202 where the device was asked to. */
  @Post('commands/:id/cancel')
  @RequireScope('commands:send')
  @HttpCode(202)
  async cancel(
    @Param('id') id: string,
    @Body(EmptyBodyPipe) _body: unknown,
    @Caller() caller: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CommandResource> {
    const command = await this.control.cancel(id, caller);
    if (command.final) void reply.status(200);
    return commandResource(command);
  }

  private async waited(
    command: Command,
    caller: Principal,
    goal: WaitGoal,
    seconds: number,
    request: FastifyRequest,
  ): Promise<Command> {
    if (seconds === 0) return command;
    return holdOpen(request, (signal) => this.control.wait(command, caller, goal, seconds * 1_000, signal));
  }
}

function filterOf({ status, type, from, to }: ListDeviceCommandsDto): CommandFilter {
  return {
    ...(status && { statuses: status }),
    ...(type && { types: type }),
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
  };
}

function shown(page: Page<Command>, request: FastifyRequest, reply: FastifyReply): Page<CommandResource> {
  const next = nextLink(request.url, page);
  if (next !== null) void reply.header('link', next);
  return { ...page, items: page.items.map(commandResource) };
}
