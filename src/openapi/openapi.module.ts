import { Module } from '@nestjs/common';
import { OpenApiHttpController } from './openapi.http.controller.js';
import { OpenApiService } from './openapi.service.js';

/** The description of the REST API by itself. */
@Module({
  controllers: [OpenApiHttpController],
  providers: [OpenApiService],
})
export class OpenApiModule {}
