using HotModel.Http;
using HotModel.Llama;

namespace HotModel.Proxy;

/// <summary>The way to the upstream: sends a request and returns when the head of the answer is there.</summary>
internal sealed class Forwarder(TimeProvider time, Poller? poller = null) : IDisposable
{
    /// <summary>Of the answer to a question of our own: all tokens of the longest prompt fit.</summary>
    private const int AnswerLimitBytes = 64 << 20;
    // Longer than any moment in which it computes and hears nobody, but for a batch of a very long prompt.
    private static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(3);

    // More than models that are loaded at once. Those of models that have left cost nothing but an empty pool.
    private const int EndpointsMax = 16;

    private readonly Lock gate = new();
    // The one that was used last is the first.
    private readonly List<HttpEndpoint> endpoints = [];

    /// <summary>Expected failures, cancellation through the scope included, are values.</summary>
    /// <param name="upstream">Where to.</param>
    /// <param name="request">
    /// All that goes on of the client's: with X-Conversation-Id llama-server would no longer notice that the client
    /// left, and Authorization is the client's key for us.
    /// </param>
    /// <param name="scope">Ends the request.</param>
    public async Task<ForwardResult> SendAsync(Upstream upstream, OutgoingRequest request, RequestScope scope)
    {
        try
        {
            OutgoingRequest ours = request with { ApiKey = upstream.ApiKey };
            return new(await EndpointAt(upstream.BaseAddress).SendAsync(ours, scope.Token), null);
        }
        catch (Exception e) when (e is HttpFailure or OperationCanceledException)
        {
            return new(null, ForwardError.Of(scope, ForwardStage.ResponseHead) ?? Explain(e, upstream));
        }
    }

    /// <summary>A question of our own. Null where the answer is an error, too long, or does not come whole.</summary>
    public async Task<ReadOnlyMemory<byte>?> AskAsync(Upstream upstream, string path, RequestSplice body, RequestScope scope)
    {
        var question = new OutgoingRequest(HttpMethods.Post, UpstreamTarget.Of(path, query: null)) { Body = body.Pieces };
        ForwardResult result = await SendAsync(upstream, question, scope);
        using HttpReply? reply = result.Reply;
        return reply is { IsSuccess: true } ? await BodyAsync(reply, scope) : null;
    }

    private static async Task<ReadOnlyMemory<byte>?> BodyAsync(HttpReply reply, RequestScope scope)
    {
        try
        {
            return await BoundedBody.ReadAsync(reply.Body, reply.ContentLength, AnswerLimitBytes, scope.Token);
        }
        catch (Exception e) when (e is HttpFailure or OperationCanceledException)
        {
            return null;
        }
    }

    /// <summary>Whether the model's server is there: it answers, whatever that is.</summary>
    public async Task<bool> AnswersAsync(Upstream upstream, CancellationToken cancel)
    {
        using var scope = new RequestScope(time, cancel, CancellationToken.None);
        scope.ExpectBytesWithin(AnswerTime);
        // A route that the router, where the way leads through it, passes on.
        var question = new OutgoingRequest(HttpMethods.Get, UpstreamTarget.Of("props", query: null, upstream.Model));
        ForwardResult result = await SendAsync(upstream, question, scope);
        using HttpReply? reply = result.Reply;
        return reply is not null && !(ModelGoneReply.MayBe(reply.Status)
            && (await BodyAsync(reply, scope) is not { } body || ModelGoneReply.Is(reply.Status, body.Span)));
    }

    public void Dispose()
    {
        lock (gate)
            endpoints.ForEach(endpoint => endpoint.Dispose());
    }

    private static ForwardError Explain(Exception e, Upstream upstream) => e switch
    {
        HttpFailure { Stage: HttpStage.Connect } => new(ForwardStage.Connect, Culprit.Upstream,
            $"The model's server at {upstream.BaseAddress.Authority} cannot be reached."),
        HttpFailure { Stage: HttpStage.Head, IsUnanswered: false } => new(ForwardStage.ResponseHead, Culprit.Upstream,
            "The head of the model's server's answer is malformed, too long, or broke off."),
        _ => new(ForwardStage.ResponseHead, Culprit.Upstream, "The model's server ended the connection without an answer."),
    };

    private HttpEndpoint EndpointAt(Uri address)
    {
        lock (gate)
        {
            int at = endpoints.FindIndex(known => known.Address == address);
            if (at == 0)
                return endpoints[0];
            HttpEndpoint endpoint = at > 0 ? endpoints[at] : new(address, time, poller);
            if (at < 0 && endpoints.Count == EndpointsMax)
            {
                at = endpoints.Count - 1;
                endpoints[at].Dispose();
            }
            if (at > 0)
                endpoints.RemoveAt(at);
            endpoints.Insert(0, endpoint);
            return endpoint;
        }
    }
}
