using HotModel.Http;
using HotModel.Llama;

namespace HotModel.Proxy;

/// <summary>The way to the upstream: sends a request and returns when the head of the answer is there.</summary>
internal sealed class Forwarder(TimeProvider time, Poller? poller = null) : IDisposable
{
    /// <summary>Of the answer to a question of our own: all tokens of the longest prompt fit.</summary>
    private const int AnswerLimitBytes = 64 << 20;

    private readonly Lock gate = new();
    // One at a time: where the address changes, nothing is loaded at the old one any more.
    private HttpEndpoint? endpoint;

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
        if (reply is not { IsSuccess: true })
            return null;
        try
        {
            return await BoundedBody.ReadAsync(reply.Body, reply.ContentLength, AnswerLimitBytes, scope.Token);
        }
        catch (Exception e) when (e is HttpFailure or OperationCanceledException)
        {
            return null;
        }
    }

    public void Dispose() => endpoint?.Dispose();

    private static ForwardError Explain(Exception e, Upstream upstream) => e is HttpFailure { Stage: HttpStage.Connect }
        ? new(ForwardStage.Connect, Culprit.Upstream,
            $"The model's server at {upstream.BaseAddress.Authority} cannot be reached.")
        : new(ForwardStage.ResponseHead, Culprit.Upstream, "The model's server ended the connection without an answer.");

    private HttpEndpoint EndpointAt(Uri address)
    {
        lock (gate)
        {
            if (endpoint?.Address == address)
                return endpoint;
            endpoint?.Dispose();
            return endpoint = new(address, time, poller);
        }
    }
}
