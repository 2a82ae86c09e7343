# One image for broker, fusion, bridge and simulator; the command says which.
FROM node:20-bookworm-slim AS build
WORKDIR /app
COPY . .
RUN npm ci --include=dev --ignore-scripts --no-audit --no-fund && npm run build && npm prune --omit=dev --omit=optional --ignore-scripts

FROM node:20-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app /app
# The secrets of the installation live here (docker-compose.yml mounts a volume).
RUN mkdir /data && chown node:node /data
USER node
ENTRYPOINT ["node", "cli/dist/main.js"]
CMD ["up", "--data", "/data", "--host", "0.0.0.0"]
