import { Controller, Get, Query, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { RequireScope } from '../common/access.js';
import { nextLink, type Page } from '../common/cursor.js';
import { type AuditResource, AuditService } from './audit.service.js';
import { ListAuditDto } from './dto/list-audit.dto.js';

/** The audit log. */
@Controller('v1/audit')
@RequireScope('admin')
export class AuditHttpController {
  constructor(private readonly audit: AuditService) {}

  @Get()
  async list(
    @Query() { limit, cursor, ...filter }: ListAuditDto,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<AuditResource>> {
    const page = await this.audit.list(filter, limit, cursor ?? null);
    const next = nextLink(request.url, page);
    if (next !== null) void reply.header('link', next);
    return page;
  }
}
