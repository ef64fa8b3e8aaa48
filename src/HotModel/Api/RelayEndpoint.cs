using HotModel.Configuration;
using HotModel.Prefill;
using HotModel.Proxy;
using HotModel.Switching;

namespace HotModel.Api;

/// <summary>The relayed routes that belong to no session: from a client's bytes to the lease under which they go on.</summary>
internal sealed class RelayEndpoint(
    LiveConfig live, ClientBodies bodies, RequestAsks asks, Admissions admissions, RelayExchange exchange, TimeProvider time,
    Func<ModelLease, LaneWarmth?>? warmth = null)
{
    private volatile PresetPrompt latest = new(live.Current.Preset);

    /// <param name="context">The client's request.</param>
    /// <param name="route">The row of the table.</param>
    /// <param name="path">The one of its paths that was asked for.</param>
    public Task HandleAsync(HttpContext context, RelayedRoute route, string path) => admissions.ServeAsync(context, async () =>
    {
        var config = live.Current;
        ReadOnlyMemory<byte> body = default;
        if (route.HasBody)
        {
            if (await bodies.ReadAsync(context, route.Model) is not { } read)
                return;
            body = read;
        }
        var request = new RelayedRequest(route, path[1..], context.Request, body, PresetOf(config));
        if (request.Problem is { } problem)
        {
            await ApiError.WriteAsync(
                context.Response, StatusCodes.Status400BadRequest, ApiError.InvalidRequest, "invalid_body", problem);
            return;
        }
        if (await asks.ReadAsync(context, request.Model, maySwitch: !route.IsLook) is not { } ask)
            return;
        await using WaitingStream? waiting = request.AsksForStream
            ? WaitingStream.For(context, route.Errors, config.Server.WaitComment, time) : null;
        await admissions.SendAsync(context, ask with { JoinsAnswer = route.JoinsAnswer }, async (lease, scope) =>
        {
            var warm = warmth?.Invoke(lease)?.Warm;
            if (route.ChangesModel)
                warm?.Forget(lease.Upstream);
            using (route.RunsModel ? warm?.LeaveOpen(lease.Upstream) : null)
                return await exchange.RunAsync(context, request, lease, scope);
        });
    });

    private PresetPrompt PresetOf(HotModelConfig config)
    {
        var preset = latest;
        return preset.Config == config.Preset ? preset : latest = new PresetPrompt(config.Preset);
    }
}
