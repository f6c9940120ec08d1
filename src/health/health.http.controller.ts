import { Controller, Get, Header, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CallerService } from '../access/caller.service.js';
import { holds, Public, RequireScope } from '../common/access.js';
import { NAME, VERSION } from '../common/version.js';
import type { Capabilities } from './capabilities.js';
import { type Health, HealthService } from './health.service.js';

const LINKS = {
  health: '/health',
  sensors: '/sensors',
  messages: '/messages',
  publish: '/publish',
  control: '/control',
  rejects: '/v1/rejects',
  capabilities: '/v1/capabilities',
  openapi: '/openapi.json',
} as const;

/** The front door, and what monitors ask. */
@Controller()
export class HealthHttpController {
  constructor(
    private readonly health: HealthService,
    private readonly callers: CallerService,
  ) {}

  @Get()
  @Public()
  @Header('vary', 'Accept')
  root(): object {
    return { message: 'Signalbox is running', name: NAME, version: VERSION, links: LINKS };
  }

  /** The details are for those who may read metrics; everybody else gets the word. */
  @Get('health')
  @Public()
  async check(
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Health | Pick<Health, 'status'>> {
    const caller = await this.callers.visitor(request);
    const health = this.answer(reply);
    return caller && holds(caller, 'metrics:read') ? health : { status: health.status };
  }

  @Get('v1/capabilities')
  @RequireScope('metrics:read')
  @Header('cache-control', 'no-store')
  capabilities(): Capabilities {
    return this.health.capabilities();
  }

  /** The process is alive; says nothing of what it depends on. */
  @Get('livez')
  @Public()
  livez(): object {
    return { status: 'OK' };
  }

  /** Fit to be sent requests: broker and database are up. */
  @Get('readyz')
  @Public()
  readyz(@Res({ passthrough: true }) reply: FastifyReply): object {
    return { status: this.answer(reply).status };
  }

  private answer(reply: FastifyReply): Health {
    const health = this.health.check();
    const up = health.status === 'OK';
    void reply.status(up ? 200 : 503).header('cache-control', 'no-store');
    if (!up) void reply.header('retry-after', '2');
    return health;
  }
}
