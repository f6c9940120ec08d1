import { Controller, Get, Headers, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Public } from '../common/access.js';
import { hasAlready } from '../common/entity-tag.js';
import { OpenApiService } from './openapi.service.js';

/** The description of the REST API. */
@Controller()
export class OpenApiHttpController {
  constructor(private readonly openApi: OpenApiService) {}

  /** May be kept, but is asked for again each time: another version of Signalbox describes itself otherwise. */
  @Get('openapi.json')
  @Public()
  get(
    @Headers('if-none-match') ifNoneMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Buffer | undefined {
    const { bytes, etag } = this.openApi.describe();
    void reply.header('etag', etag).header('cache-control', 'no-cache');
    if (hasAlready(ifNoneMatch, etag)) {
      void reply.status(304);
      return undefined;
    }
    // As bytes, because Fastify adds a charset to the type of a text, and JSON has none.
    void reply.header('content-type', 'application/json');
    return bytes;
  }
}
