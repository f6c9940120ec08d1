import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Actor, ChangedBy, RequireScope } from '../common/access.js';
import { nextLink, type Page } from '../common/cursor.js';
import { CreateKeyDto } from './dto/create-key.dto.js';
import { ListKeysDto } from './dto/list-keys.dto.js';
import { type KeyResource, keyResource } from './key.resource.js';
import { KeyService } from './key.service.js';

/** API keys. Only `admin` may make them: with anything less a key could make one that is wider than itself. */
@Controller('v1/api-keys')
@RequireScope('admin')
export class KeyHttpController {
  constructor(private readonly keys: KeyService) {}

  /** The only answer that holds the key. */
  @Post()
  async create(
    @Body() { name, scopes, tags, expiresAt }: CreateKeyDto,
    @ChangedBy() actor: Actor,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<KeyResource & { readonly key: string }> {
    const asked = { name, scopes, tags: tags ?? null, expiresAt: expiresAt ?? null };
    const { key, text } = await this.keys.create(asked, actor);
    void reply.header('location', `/v1/api-keys/${key.id}`);
    return { ...keyResource(key), key: text };
  }

  @Get()
  async list(
    @Query() { limit, cursor }: ListKeysDto,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<KeyResource>> {
    const page = await this.keys.list(limit, cursor ?? null);
    const next = nextLink(request.url, page);
    if (next !== null) void reply.header('link', next);
    return page;
  }

  @Get(':id')
  async get(@Param('id') id: string): Promise<KeyResource> {
    return keyResource(await this.keys.get(id));
  }

  @Delete(':id')
  @HttpCode(204)
  async revoke(@Param('id') id: string, @ChangedBy() actor: Actor): Promise<void> {
    await this.keys.revoke(id, actor);
  }
}
