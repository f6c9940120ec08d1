import { Body, Controller, Get, HttpCode, Post, Query, type StreamableFile } from '@nestjs/common';
import { Caller, type Principal, RequireScope } from '../common/access.js';
import { arrayOf } from '../common/json-array.js';
import type { Json } from '../common/json.js';
import { ListMessagesDto } from './dto/list-messages.dto.js';
import { PublishDto } from './dto/publish.dto.js';
import { MessageErrors } from './message.errors.js';
import { MessageService } from './message.service.js';

/** The simple routes `POST /publish` and `GET /messages`. */
@Controller()
export class MessageHttpController {
  constructor(private readonly messages: MessageService) {}

  @Post('publish')
  @RequireScope('mqtt:publish')
  @HttpCode(200)
  async publish(@Body() body: PublishDto, @Caller() caller: Principal): Promise<object> {
    const message = theMessage(body);
    const { topic, qos = 1, retain = false } = body;
    const publishedTo = await this.messages.publish({ topic, message, qos, retain }, caller);
    return { code: 0, status: 'Message published', topic: publishedTo, message };
  }

  @Get('messages')
  @RequireScope('messages:read')
  async list(
    @Query() { limit, topic }: ListMessagesDto,
    @Caller() caller: Principal,
  ): Promise<readonly unknown[] | StreamableFile> {
    return arrayOf(await this.messages.list(caller, limit, topic ?? null));
  }
}

/** The one of `message`, `msg` and `payload` that is there. Throws BAD_MESSAGE. */
function theMessage({ message, msg, payload }: PublishDto): Json {
  const [first, ...more] = [message, msg, payload].filter((value) => value !== undefined);
  if (first === undefined || first === null) {
    throw MessageErrors.BAD_MESSAGE('Give what is to be published as "message" (a string, or any JSON but null).');
  }
  if (more.length > 0) throw MessageErrors.BAD_MESSAGE('Give only one of "message", "msg" and "payload".');
  return first;
}
