using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Threading.Channels;
using HotModel.Access;
using HotModel.Configuration;
using HotModel.Fit;
using HotModel.Proxy;
using HotModel.Switching;

namespace HotModel.Api;

/// <summary>GET /health, GET /admin/state, GET /admin/metrics, POST /admin/switch, GET /admin/events.</summary>
internal sealed class AdminEndpoints(
    LiveConfig live, ModelLanes lanes, FitCheck fit, WarmthView warmth, ProxyMetrics metrics, string version,
    Func<HttpContext, bool> mayReadState, TimeProvider time, CancellationToken stopping)
{
    /// <summary>A switch request is a name and three options.</summary>
    private const int MaxSwitchBodyBytes = 16 << 10;
    /// <summary>Below the 60 s after which common proxies give up on a silent stream.</summary>
    private static readonly TimeSpan KeepAlive = TimeSpan.FromSeconds(15);
    private static readonly byte[] KeepAliveComment = ":\n\n"u8.ToArray();

    private HotModelConfig Config => live.Current;

    public void Map(IEndpointRouteBuilder routes)
    {
        foreach (string path in (string[])["/health", "/v1/health"])
            routes.MapMethods(path, [HttpMethods.Get, HttpMethods.Head], HealthAsync);
        routes.MapGet("/admin/state", StateAsync);
        routes.MapGet("/admin/metrics", MetricsAsync);
        routes.MapPost("/admin/switch", SwitchAsync);
        routes.MapGet("/admin/events", EventsAsync);
    }

    private Task HealthAsync(HttpContext context)
    {
        var state = State();
        // For whoever watches from outside, and has no key.
        if (!mayReadState(context))
            return WriteAsync(context, 200, new HealthAnswer(StatusOf(state)), ReadableAdminJson.Context.HealthAnswer);
        return WriteAsync(context, 200, state with { Status = StatusOf(state) },
            ReadableAdminJson.Context.AdminState);
    }

    private static string StatusOf(AdminState state) => state.Switching ? "switching" : "ok";

    private Task StateAsync(HttpContext context) => WriteAsync(context, 200, State(), ReadableAdminJson.Context.AdminState);

    private Task MetricsAsync(HttpContext context)
    {
        context.Response.ContentType = MetricsText.ContentType;
        return context.Response.WriteAsync(MetricsText.Of(State()), context.RequestAborted);
    }

    private AdminState State()
    {
        var picture = lanes.Picture;
        var status = picture.Status();
        var running = picture.BackendIsRunning;
        return new AdminState
        {
            Version = version,
            ActiveModel = status.ActiveModel,
            Switching = status.Switching,
            Loaded = picture.Loaded,
            Models = [.. Config.Models.Keys],
            BackendMode = Config.Llama.BackendMode == BackendMode.Router ? "router" : "process",
            ProcessRunning = running,
            RouterRunning = running && Config.Llama.BackendMode == BackendMode.Router,
            InflightChats = status.InflightChats,
            Phase = status.Phase,
            GoalModel = status.GoalModel,
            WaitingChats = status.WaitingChats,
            WaitingByModel = picture.WaitingByModel(),
            LastError = status.LastError,
            Switches = lanes.SwitchCounts,
            Requests = new RequestCounts(metrics.Requests, metrics.Streams, metrics.CutStreams, metrics.StoreFailures,
                metrics.RelayedBytes, Math.Round(metrics.Wait.TotalSeconds, 3)),
            ReadAhead = lanes.ReadAheadTotals,
            AllocatedBytes = GC.GetTotalAllocatedBytes(),
            Snapshots = warmth.Snapshots(picture.Active.Loop.Seat),
            PrefillAhead = warmth.PrefillAhead(picture.Active.Loop.Seat),
        };
    }

    private async Task SwitchAsync(HttpContext context)
    {
        if (await ReadSwitchAsync(context) is not { } body)
            return;
        // "active" makes sense too: a model that was unloaded because nobody used it is loaded again.
        var names = live.Names;
        if (!names.TryResolve(body.Model, out string? named) || (named ?? lanes.Status.ActiveModel) is not { } model)
        {
            await ApiError.WriteAsync(
                context.Response, 404, ApiError.NotFound, "model_not_found", names.Unknown(body.Model!));
            return;
        }
        body = body with { Model = model };
        // Reading a file for the first time may take a moment: not on the thread of all requests.
        if (body.DryRun == true)
        {
            var plan = await Task.Run(() => fit.Plan(body.Model!), context.RequestAborted);
            await WriteAsync(context, 200, plan, ReadableAdminJson.Context.FitPlan);
            return;
        }
        // A missing place beside what is loaded cannot be forced.
        var isBesideOnly = Config.Server.SwitchPolicy == SwitchPolicy.MakeBeforeBreak;
        if ((body.Force != true || isBesideOnly)
            && await Task.Run(() => fit.Judge(body.Model!), context.RequestAborted) is { Fits: false } verdict
            && (body.Force != true || verdict.IsBeside))
        {
            await RefuseAsync(context.Response, verdict.Reason!, verdict.IsBeside);
            return;
        }
        TimeSpan? drain = body.DrainTimeoutSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : null;
        var report = await lanes.SwitchAsync(body.Model!, body.Force ?? false, drain);
        if (report.Outcome == SwitchOutcome.NoPlace)
        {
            await RefuseAsync(context.Response, report.Error!, isBeside: true);
            return;
        }
        await WriteAsync(context, StatusCode(report.Outcome), report, ReadableAdminJson.Context.SwitchReport);
    }

    private static Task RefuseAsync(HttpResponse response, string reason, bool isBeside) => ApiError.WriteAsync(
        response, 409, ApiError.InvalidRequest, "does_not_fit",
        $"{reason} Nothing was unloaded. " + (isBeside
            ? "\"force\" does not help: switch_policy = \"make_before_break\" loads it beside what is loaded now."
            : "\"force\": true (--force of hotmodel switch) tries it all the same."));

    /// <summary>Null: the request was answered with what is wrong with it.</summary>
    private static async Task<SwitchRequestBody?> ReadSwitchAsync(HttpContext context)
    {
        if (!context.Request.HasJsonContentType())
        {
            await ClientBodies.RefuseTypeAsync(context.Response, more: " " + SwitchRequest.Example);
            return null;
        }
        var (json, refusal) = await ClientBodies.ReadAsync(context, MaxSwitchBodyBytes);
        var (body, problem) = refusal is null ? SwitchRequest.Read(json) : (null, refusal.Message.TrimEnd('.'));
        if (body is not null)
            return body;
        await ApiError.WriteAsync(
            context.Response, 400, ApiError.InvalidRequest, "invalid_switch", $"{problem}. {SwitchRequest.Example}");
        return null;
    }

    private static int StatusCode(SwitchOutcome outcome) => outcome switch
    {
        SwitchOutcome.Switched or SwitchOutcome.AlreadyActive => 200,
        SwitchOutcome.DrainTimedOut or SwitchOutcome.Withdrawn or SwitchOutcome.NoPlace => 409,
        SwitchOutcome.LoadFailed or SwitchOutcome.RolledBack or SwitchOutcome.RollbackFailed => 502,
        SwitchOutcome.TooManyQueued => 429,
        SwitchOutcome.Stopping => 503,
    };

    private async Task EventsAsync(HttpContext context)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stopping);
        using var subscription = lanes.Feed.Subscribe();
        context.Response.ContentType = "text/event-stream";
        context.Response.Headers.CacheControl = "no-cache";
        context.Response.Headers["X-Accel-Buffering"] = "no";
        try
        {
            // The first event is the state now; what happens after it is in the subscription already.
            await SendAsync(context, new PhaseNews(lanes.Status), ending.Token);
            while (true)
            {
                if (await IsSilentAsync(subscription.Reader, ending.Token))
                {
                    await context.Response.Body.WriteAsync(KeepAliveComment, ending.Token);
                    await context.Response.Body.FlushAsync(ending.Token);
                }
                while (subscription.Reader.TryRead(out var news))
                    await SendAsync(context, news, ending.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // The listener has gone, or hotmodel stops.
        }
    }

    private async Task<bool> IsSilentAsync(ChannelReader<SwitchNews> news, CancellationToken cancel)
    {
        using var silence = new CancellationTokenSource(KeepAlive, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancel, silence.Token);
        try
        {
            await news.WaitToReadAsync(either.Token);
            return false;
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return true;
        }
    }

    private static async Task SendAsync(HttpContext context, SwitchNews news, CancellationToken cancel)
    {
        var json = news switch
        {
            PhaseNews phase => JsonSerializer.SerializeToUtf8Bytes(phase.Status, ReadableAdminJson.Context.SwitchStatus),
            ProgressNews progress => JsonSerializer.SerializeToUtf8Bytes(progress, ReadableAdminJson.Context.ProgressNews),
            ReportNews report => JsonSerializer.SerializeToUtf8Bytes(report.Report, ReadableAdminJson.Context.SwitchReport),
            _ => throw new InvalidOperationException($"No JSON for {news}."),
        };
        byte[] frame = [.. "event: "u8, .. Encoding.ASCII.GetBytes(news.Name), .. "\ndata: "u8, .. json, .. "\n\n"u8];
        await context.Response.Body.WriteAsync(frame, cancel);
        await context.Response.Body.FlushAsync(cancel);
    }

    private static Task WriteAsync<T>(HttpContext context, int status, T value, JsonTypeInfo<T> type)
    {
        context.Response.StatusCode = status;
        return context.Response.WriteAsJsonAsync(value, type, cancellationToken: context.RequestAborted);
    }
}
