import { Body, Controller, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CallingDevice, ForDevices } from '../common/access.js';
import { HttpErrors } from '../common/http.errors.js';
import type { Json } from '../common/json.js';
import { holdOpen } from '../common/long-poll.js';
import { AnswerToNothing, BadAnswer, readAnswer } from './answer.parser.js';
import { AnswerService } from './answer.service.js';
import { type Command, nativePayload } from './command.js';
import { type AnsweredResource, answeredResource } from './command.resource.js';
import { ControlErrors } from './control.errors.js';
import { DevicePollService } from './device-poll.service.js';
import { AnswerDto } from './dto/answer.dto.js';
import { NextCommandDto } from './dto/next-command.dto.js';

/** Commands of devices without MQTT. */
@Controller('v1/device/commands')
@ForDevices()
export class DeviceCommandHttpController {
  constructor(
    private readonly polls: DevicePollService,
    private readonly answers: AnswerService,
  ) {}

  /** 200 with what goes out over MQTT too, or 204 where nothing came within the wait. */
  @Get('next')
  async next(
    @CallingDevice() deviceId: string,
    @Query() { wait }: NextCommandDto,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Buffer | undefined> {
    // Fastify serves HEAD like GET, without the body: a command would be taken that nobody gets.
    if (request.method === 'HEAD') throw HttpErrors.NOT_FOUND('Commands are fetched with GET.');
    const command = await holdOpen(request, (signal) => this.polls.next(deviceId, wait * 1_000, signal));
    void reply.header('cache-control', 'no-store');
    if (!command) {
      void reply.status(204);
      return undefined;
    }
    reply.raw.once('finish', () => this.polls.carried(command));
    void reply.header('content-type', 'application/json');
    return Buffer.from(nativePayload(command, Date.now()));
  }

  @Post(':id')
  @HttpCode(200)
  async answer(
    @CallingDevice() deviceId: string,
    @Param('id') id: string,
    @Body() body: AnswerDto,
  ): Promise<AnsweredResource> {
    return answeredResource(await coded(() => this.answers.answerOf(deviceId, id, readAnswer(body as object as Json))));
  }
}

/** Another device's command is answered like one that there never was. */
async function coded(answer: () => Promise<Command>): Promise<Command> {
  try {
    return await answer();
  } catch (error) {
    if (error instanceof AnswerToNothing) throw ControlErrors.COMMAND_UNKNOWN(error.message);
    if (!(error instanceof BadAnswer)) throw error;
    const { message: detail, pointer } = error;
    const errors = pointer === null ? {} : { errors: [{ pointer, detail, code: 'BAD_ANSWER' }] };
    throw ControlErrors.BAD_ANSWER(detail, errors);
  }
}
