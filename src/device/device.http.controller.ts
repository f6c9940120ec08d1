import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Patch, Post, Query, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Actor, Caller, ChangedBy, type Principal, RequireScope } from '../common/access.js';
import { nextLink, type Page } from '../common/cursor.js';
import { EmptyBodyPipe } from '../common/empty-body.pipe.js';
import { hasAlready } from '../common/entity-tag.js';
import { taking } from '../common/raw-body.js';
import { DeviceService } from './device.service.js';
import { CreateDeviceDto, newDevice } from './dto/create-device.dto.js';
import { ListDevicesDto } from './dto/list-devices.dto.js';
import { PatchDeviceDto } from './dto/patch-device.dto.js';
import { type DeviceFilter, DeviceCatalogue } from './registry.catalogue.js';
import type { IssuedCredential, RegistryEntry } from './registry.device.js';
import { RegistryEditor } from './registry.editor.js';
import { etagOf } from './registry.etag.js';
import { Registrar } from './registry.registrar.js';
import type { DeviceResource } from './registry.resource.js';
import { RegistryService } from './registry.service.js';

/** The devices, as a list and one by one. */
@Controller('v1/devices')
export class DeviceHttpController {
  constructor(
    private readonly devices: DeviceService,
    private readonly registry: RegistryService,
    private readonly registrar: Registrar,
    private readonly editor: RegistryEditor,
    private readonly catalogue: DeviceCatalogue,
  ) {}

  /** The secret is in this answer and in no other. */
  @Post()
  @RequireScope('devices:write')
  async create(
    @Body() body: CreateDeviceDto,
    @Caller() caller: Principal,
    @ChangedBy() actor: Actor,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<DeviceResource & { readonly credential: IssuedCredential }> {
    const { id, credential } = await this.registrar.create(newDevice(body), caller, actor);
    void reply.header('location', `/v1/devices/${id}`).header('cache-control', 'no-store');
    return { ...(await this.shown(await this.registry.requireEntry(caller, id), reply)), credential };
  }

  @Get()
  @RequireScope('devices:read')
  async list(
    @Query() query: ListDevicesDto,
    @Caller() caller: Principal,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<DeviceResource>> {
    const page = await this.catalogue.list(caller, filterOf(query), query.limit, query.cursor ?? null);
    const next = nextLink(request.url, page);
    if (next !== null) void reply.header('link', next);
    return page;
  }

  /** 304 where the caller has this version; presence and counts are not part of it. */
  @Get(':id')
  @RequireScope('devices:read')
  async get(
    @Param('id') id: string,
    @Caller() caller: Principal,
    @Headers('if-none-match') ifNoneMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<DeviceResource | undefined> {
    const entry = await this.registry.requireEntry(caller, id);
    if (hasAlready(ifNoneMatch, etagOf(entry))) {
      void reply.status(304).header('etag', etagOf(entry));
      return undefined;
    }
    return this.shown(entry, reply);
  }

  @Patch(':id')
  @RequireScope('devices:write')
  @RouteConfig(taking('application/merge-patch+json', 'application/json'))
  async update(
    @Param('id') id: string,
    @Body() patch: PatchDeviceDto,
    @Headers('if-match') ifMatch: string | undefined,
    @Caller() caller: Principal,
    @ChangedBy() actor: Actor,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<DeviceResource> {
    return this.shown(await this.editor.update(id, patch, { caller, actor, ifMatch }), reply);
  }

  @Post(':id/approve')
  @RequireScope('devices:write')
  @HttpCode(200)
  async approve(
    @Param('id') id: string,
    @Body(EmptyBodyPipe) _body: unknown,
    @Caller() caller: Principal,
    @ChangedBy() actor: Actor,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<DeviceResource> {
    return this.shown(await this.editor.approve(id, { caller, actor }), reply);
  }

  @Delete(':id')
  @RequireScope('devices:write')
  @HttpCode(204)
  async remove(
    @Param('id') id: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Caller() caller: Principal,
    @ChangedBy() actor: Actor,
  ): Promise<void> {
    await this.devices.remove(id, { caller, actor, ifMatch });
  }

  private async shown(entry: RegistryEntry, reply: FastifyReply): Promise<DeviceResource> {
    void reply.header('etag', etagOf(entry));
    return this.catalogue.show(entry);
  }
}

function filterOf({ q, tag, type, presence }: ListDevicesDto): DeviceFilter {
  const tags = [...new Set(tag)].toSorted().map((text): [string, string] => {
    const colon = text.indexOf(':');
    return [text.slice(0, colon), text.slice(colon + 1)];
  });
  return {
    ...(q !== undefined && { q }),
    ...(tags.length > 0 && { tags }),
    ...(type && { types: type }),
    ...(presence && { presence }),
  };
}
