import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Post, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Actor, Caller, ChangedBy, type Principal, RequireScope } from '../common/access.js';
import { HttpErrors } from '../common/http.errors.js';
import { OptionalBody } from '../common/optional-body.js';
import { AS_BYTES, taking } from '../common/raw-body.js';
import { DtoValidationPipe } from '../common/validation.pipe.js';
import { AccessMode } from '../config/access.mode.js';
import { TopicConfig } from '../config/topic.config.js';
import { MqttLink } from '../mqtt/link.js';
import { CreateCredentialDto } from './dto/create-credential.dto.js';
import { type ConnectGuide, connectGuide, hostNameOf, reachableUrl } from './registry.connect.js';
import { RegistryCredentials } from './registry.credentials.js';
import type { IssuedCredential } from './registry.device.js';
import { importAsCsv, type ImportResult, RegistryImport } from './registry.import.js';
import { type CredentialResource, credentialResource } from './registry.resource.js';
import { RegistryService } from './registry.service.js';

const CSV = /(^|,)\s*text\/csv\s*(;(?!\s*q=0(\.0*)?\s*(,|$))|,|$)/i;

/** How devices get in: many at once, what they log in with, and how they connect. */
@Controller('v1/devices')
export class RegistryHttpController {
  private readonly pipe = new DtoValidationPipe();

  constructor(
    private readonly registry: RegistryService,
    private readonly credentials: RegistryCredentials,
    private readonly imports: RegistryImport,
    private readonly link: MqttLink,
    private readonly topics: TopicConfig,
    private readonly mode: AccessMode,
  ) {}

  /** A verdict for each line; as CSV where the caller accepts that. The secrets are in this answer and in no other. */
  @Post('import')
  @RequireScope('devices:write')
  @HttpCode(200)
  @RouteConfig({ ...AS_BYTES, ...taking('text/csv', 'application/x-ndjson') })
  async import(
    @Req() request: FastifyRequest,
    @Headers('accept') accept: string | undefined,
    @Caller() caller: Principal,
    @ChangedBy() actor: Actor,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ImportResult | Buffer> {
    const { body, headers } = request;
    const type = headers['content-type'];
    if (type === undefined) throw HttpErrors.UNSUPPORTED_MEDIA_TYPE('Send text/csv or application/x-ndjson.');
    const format = /^\s*text\/csv/i.test(type) ? 'csv' : 'ndjson';
    const result = await this.imports.run(format, (body ?? Buffer.alloc(0)) as Buffer, caller, actor);
    void reply.header('cache-control', 'no-store').header('vary', 'Accept');
    if (!CSV.test(accept ?? '')) return result;
    void reply
      .header('content-type', 'text/csv; charset=utf-8; header=present')
      .header('content-disposition', 'attachment; filename="devices.csv"');
    return Buffer.from(importAsCsv(result));
  }

  @Get(':id/credentials')
  @RequireScope('devices:read')
  async list(
    @Param('id') id: string,
    @Caller() caller: Principal,
  ): Promise<{ readonly items: readonly CredentialResource[]; readonly nextCursor: null; readonly hasMore: false }> {
    const items = (await this.credentials.list(id, caller)).map(credentialResource);
    return { items, nextCursor: null, hasMore: false };
  }

  /** Needs no body. The secret is in this answer and in no other. */
  @Post(':id/credentials')
  @RequireScope('devices:write')
  @OptionalBody(CreateCredentialDto)
  async issue(
    @Param('id') id: string,
    @Body() body: unknown,
    @Caller() caller: Principal,
    @ChangedBy() actor: Actor,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<IssuedCredential> {
    const given = await this.pipe.transform(body ?? {}, { type: 'body', metatype: CreateCredentialDto });
    const { overlapSeconds } = given as CreateCredentialDto;
    const issued = await this.credentials.issue(id, overlapSeconds, caller, actor);
    void reply.header('location', `/v1/devices/${id}/credentials/${issued.id}`).header('cache-control', 'no-store');
    return issued;
  }

  @Delete(':id/credentials/:credentialId')
  @RequireScope('devices:write')
  @HttpCode(204)
  async revoke(
    @Param('id') id: string,
    @Param('credentialId') credentialId: string,
    @Caller() caller: Principal,
    @ChangedBy() actor: Actor,
  ): Promise<void> {
    await this.credentials.revoke(id, credentialId, caller, actor);
  }

  /** Ready to paste, for the host name that the caller used, also with a proxy that is trusted. */
  @Get(':id/connect')
  @RequireScope('devices:read')
  async connect(
    @Param('id') id: string,
    @Caller() caller: Principal,
    @Req() { host, protocol }: FastifyRequest,
  ): Promise<ConnectGuide> {
    await this.registry.requireEntry(caller, id);
    const hostName = hostNameOf(host);
    if (hostName === null) throw HttpErrors.BAD_REQUEST('The Host header names no host.');
    return connectGuide({
      deviceId: id,
      prefix: this.topics.prefix,
      http: `${protocol}://${host}`,
      mqtt: this.link.urls.map((url) => reachableUrl(url, hostName)),
      needsLogin: this.mode.required,
    });
  }
}
