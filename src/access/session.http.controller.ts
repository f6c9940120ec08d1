import { Body, Controller, Delete, Get, HttpCode, Post, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Actor, ChangedBy, ForUsers, Public } from '../common/access.js';
import { HttpErrors } from '../common/http.errors.js';
import { isCrossSite } from '../common/local-request.js';
import { CallerService, loginOf } from './caller.service.js';
import { OpenSessionDto } from './dto/open-session.dto.js';
import { keyPrincipal } from './key.js';
import { badLogin } from './bad-login.js';
import { RateLimit } from './rate-limit.js';
import { clearCookie, setCookie } from './session.cookie.js';
import { type SessionResource, sessionResource } from './session.resource.js';
import { SessionService } from './session.service.js';

/** The session of a person in a browser. */
@Controller('v1/session')
export class SessionHttpController {
  constructor(
    private readonly sessions: SessionService,
    private readonly callers: CallerService,
    private readonly rates: RateLimit,
  ) {}

  @Post()
  @Public()
  @HttpCode(200)
  async open(
    @Body() { key: text }: OpenSessionDto,
    @ChangedBy() visitor: Actor,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SessionResource> {
    if (isCrossSite({ ...request.headers, host: request.host }, request.protocol)) {
      throw HttpErrors.FORBIDDEN('A page of another origin may not log in here.');
    }
    const key = await this.sessions.logIn(text, visitor);
    if (!key) throw badLogin(reply);
    this.rates.count(keyPrincipal(key), reply);
    const { session, secret } = await this.sessions.open(key, { ...visitor, id: key.id });
    const seconds = Math.max(1, Math.floor((session.expiresAt - Date.now()) / 1_000));
    setCookie(reply, secret, seconds, this.callers.needsSecureCookie(request));
    return sessionResource({ key, session });
  }

  /** Who I am, whether by a session or by a key. */
  @Get()
  @ForUsers()
  get(@Req() request: FastifyRequest): SessionResource {
    return sessionResource(loginOf(request));
  }

  /** With a key instead of a session there is nothing to end. */
  @Delete()
  @ForUsers()
  @HttpCode(204)
  async end(
    @ChangedBy() actor: Actor,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    const session = loginOf(request)?.session;
    if (session) await this.sessions.end(session, actor);
    clearCookie(reply, this.callers.needsSecureCookie(request));
  }
}
