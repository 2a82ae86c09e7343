# One image for broker, fusion, bridge and simulator; the command says which.
FROM node:20-bookworm-slim AS build
WORKDIR /app
COPY . .
RUN npm ci --include=dev --ignore-scripts --no-audit --no-fund && npm run build && npm prune --omit=dev --omit=optional --ignore-scripts

FROM node:20-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app /app
# The secrets of the installation, and, apart from them and from their backups, the keys of its people (docker-compose.yml mounts a volume each).
RUN mkdir /data /keys && chown node:node /data /keys
ENV KONFERENCO_KEYS=/keys
USER node
# What Node keeps beyond what it needs: docs/operations.md#memory.
ENTRYPOINT ["node", "--max-semi-space-size=16", "--heap-growing-percent=30", "cli/dist/main.js"]
CMD ["up", "--data", "/data", "--host", "0.0.0.0"]
