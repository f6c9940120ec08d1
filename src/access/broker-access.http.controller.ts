import { Controller, Headers, HttpCode, Post, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { ForBroker } from '../common/access.js';
import type { Json } from '../common/json.js';
import { type BrokerAnswer, BrokerAccessService, DENY } from './broker-access.service.js';

type BrokerRequest = FastifyRequest<{ readonly Body: Json | undefined }>;

/** What a broker elsewhere asks, in the form of EMQX 5. What goes wrong here is a denial too (broker-denial.ts). */
@Controller('internal/mqtt')
@ForBroker()
export class BrokerAccessHttpController {
  constructor(private readonly access: BrokerAccessService) {}

  @Post('auth')
  @HttpCode(200)
  async authenticate(
    @Headers('authorization') secret: string | undefined,
    @Req() { body }: BrokerRequest,
  ): Promise<BrokerAnswer> {
    return this.access.trusts(secret) ? this.access.authenticate(body) : DENY;
  }

  @Post('acl')
  @HttpCode(200)
  async authorize(
    @Headers('authorization') secret: string | undefined,
    @Req() { body }: BrokerRequest,
  ): Promise<BrokerAnswer> {
    return this.access.trusts(secret) ? this.access.authorize(body) : DENY;
  }
}
