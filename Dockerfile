# One image for all five services and for standalone: Node runs the sources as they are. Which one runs is the command
# (`apps/job-service/src/main.ts`). The file has no syntax line, so that a build needs no further image.

# Only the manifests, so that a change of a source does not install the packages anew.
FROM node:26.10.0-bookworm-slim AS manifests
WORKDIR /src
COPY . .
RUN mkdir /manifests && cp --parents .npmrc package.json package-lock.json apps/*/package.json libs/*/package.json /manifests

FROM node:26.10.0-bookworm-slim AS packages
WORKDIR /belfry
COPY --from=manifests /manifests ./
# The optional packages are Node itself, which the image has; install scripts are not needed.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund && npm cache clean --force

FROM node:26.10.0-bookworm-slim
# kafkajs asks for timers of negative length when nothing waits; Node prints a warning for the first of them.
ENV NODE_ENV=production NODE_OPTIONS=--disable-warning=TimeoutNegativeWarning
WORKDIR /belfry
COPY --from=packages /belfry ./
COPY tsconfig.base.json LICENSE ./
COPY libs ./libs
COPY apps ./apps
# Standalone keeps its data here; a mounted volume takes over the owner.
RUN mkdir /data && chown node:node /data
VOLUME /data
USER node
ENV BELFRY_DATA_DIR=/data
EXPOSE 8080
ENTRYPOINT ["node"]
CMD ["apps/standalone/src/main.ts"]
