# The image holds Node.js, the compiled program and its production packages. Pin the base by digest in your own pipeline.

FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc tsconfig.json ./
RUN npm ci
COPY src ./src
RUN npm run build
RUN mkdir data

FROM node:24-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev

FROM node:24-slim
WORKDIR /app
ENV NODE_ENV=production
# Inside a container the address is the container's own; the operator listener stays on the container's loopback.
ENV JOINTGATE_LISTEN=0.0.0.0:8080
ENV JOINTGATE_STORAGE=lmdb:/data
COPY package.json LICENSE ./
COPY views ./views
COPY --from=packages /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
# The only folder that is written to: the rest of the file system may be read-only (docker run --read-only).
COPY --from=build --chown=node:node /app/data /data
VOLUME /data
USER node
EXPOSE 8080
# Where the variable puts the operator listener; what a file says of it is not seen here.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["node", "-e", "fetch('http://' + (process.env.JOINTGATE_OPERATOR_LISTEN || '127.0.0.1:8081') + '/healthz/ready').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/main.js"]
